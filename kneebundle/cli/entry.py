"""The entry point: which commands there are, and what becomes of an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from kneebundle import __version__
from kneebundle.cli.advice import ADVICE
from kneebundle.errors import KneeBundleError

COMMANDS = {
    "bundles": "bundle_files.bundles",
    "evaluate": "evaluate.evaluate",
    "export": "bundle_files.export",
    "label-app": "bundle_files.label_app",
    "pack": "bundle_files.pack",
    "predict": "predict.predict",
    "prepare-crops": "data_sets.prepare_crops",
    "prepare-oai": "data_sets.prepare_oai",
    "register": "predict.register",
    "synthesize": "data_sets.synthesize",
}
"""Where each command is: its module in this package, and its name there."""


def get_command(name: str) -> click.Command:
    """Import a command of :data:`COMMANDS`."""
    module, attribute = COMMANDS[name].split(".")
    return getattr(import_module(f"kneebundle.cli.{module}"), attribute)


class _LazyGroup(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return get_command(cmd_name) if cmd_name in COMMANDS else None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kneebundle")
def cli() -> None:
    """Find anatomy in plain knee radiographs.

    Exit codes: 0 all done; 1 some inputs were refused, see errors.csv; 2 the call itself is wrong.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; what is wrong is one line on stderr."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return int(cli.main(args=arguments, prog_name="kneebundle", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"kneebundle: {' '.join(error.format_message().split())}", err=True)
        return 2
    except KneeBundleError as error:
        about = "" if error.path is None else f"{error.path}: "
        click.echo(f"kneebundle: {about}{error.advised(ADVICE)}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("kneebundle: stopped; run it again to resume", err=True)
        return 130
