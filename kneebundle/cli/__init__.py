"""The command line, the one place that knows options by name: a module a family of commands."""

from kneebundle.cli.advice import ADVICE
from kneebundle.cli.entry import cli, main

__all__ = ["ADVICE", "cli", "main"]
