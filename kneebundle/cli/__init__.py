"""The command line, the one place that knows options by name: a module a family of commands."""

try:
    from kneebundle.cli.advice import ADVICE
    from kneebundle.cli.entry import cli, main
except KeyboardInterrupt:  # before main could answer it
    raise SystemExit(130) from None

__all__ = ["ADVICE", "cli", "main"]
