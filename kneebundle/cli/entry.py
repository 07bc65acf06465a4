"""The entry point: which commands there are, and what becomes of an error."""

from __future__ import annotations

import io
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import click

from kneebundle import __version__
from kneebundle.cli.advice import ADVICE
from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.paths import show_path

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

COMMANDS = {
    "annotate": "annotate.annotate",
    "bundles": "bundle_files.bundles",
    "convert": "convert.convert",
    "doctor": "doctor.doctor",
    "evaluate": "evaluate.evaluate",
    "export": "bundle_files.export",
    "export-corrections": "annotate.export_corrections",
    "import-kneel": "import_kneel.import_kneel",
    "label-app": "bundle_files.label_app",
    "pack": "bundle_files.pack",
    "predict": "predict.predict",
    "prepare-crops": "data_sets.prepare_crops",
    "prepare-oai": "data_sets.prepare_oai",
    "register": "predict.register",
    "serve": "serve.serve",
    "standardize": "standardize.standardize",
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
    _listen_to_signals()
    sys.exit(_run(arguments))


class _Stopped(KeyboardInterrupt):
    """A signal that asks the process to end; what is being written is cleaned up, and the tables are written."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, frame: object) -> None:
    for name in _SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # once is enough
    raise _Stopped(number)


def _listen_to_signals() -> None:
    """End cleanly on SIGTERM and SIGHUP; one that is ignored, as under nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _tolerate_encodings() -> None:
    """Write what a stream cannot encode as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: Sequence[str] | None) -> int:
    _tolerate_encodings()
    try:
        # the object of the context: whether the process ends with the command
        own = arguments is None
        return int(cli.main(args=arguments, prog_name="kneebundle", standalone_mode=False, obj=own) or 0)
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
    except (click.Abort, KeyboardInterrupt) as error:
        called = sys.argv[1:] if arguments is None else arguments
        how = "without --overwrite " if "--overwrite" in called else ""
        with suppress(OSError):  # the terminal may be gone
            click.echo(f"kneebundle: stopped; what is done stays, run it again {how}to go on", err=True)
        cause = error.__cause__  # click makes another error of it
        return 128 + (cause.number if isinstance(cause, _Stopped) else signal.SIGINT)
    except OSError as error:
        with suppress(OSError):
            click.echo(f"kneebundle: {_describe(error)}", err=True)
        return 1


def _describe(error: OSError) -> str:
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        source, _, reason = error.args[0][0]  # of a folder that was copied, the first file
        return f"cannot copy {show_path(source)} ({in_brief(Exception(str(reason).partition(': ')[0]))})"
    name = "" if error.filename is None else f"{show_path(error.filename)}: "
    return f"{name}{error.strerror or in_brief(error)}"
