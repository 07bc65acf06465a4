"""The command doctor."""

from __future__ import annotations

import json
from contextlib import suppress

import click

from kneebundle.cli.quick_start import start_quickly


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--no-predict", is_flag=True, help="Do not predict the drawn radiograph.")
@click.pass_context
def doctor(context: click.Context, as_json: bool, no_predict: bool) -> int:
    """Say what is installed, what this machine can do, and whether a prediction works.

    It draws a radiograph, predicts it with the installed bundles and compares the landmarks with those drawn. A report
    of a problem begins with what this prints: no names of users, machines or folders are in it. Exit code 0 if
    kneebundle works, else 1.
    """
    from kneebundle.diagnosis import diagnose, format_diagnosis

    if context.obj:  # the process ends with the command
        with suppress(ImportError):  # the diagnosis says what is missing
            start_quickly()
    found = diagnose(predict=not no_predict)
    click.echo(json.dumps(found, indent=2) if as_json else format_diagnosis(found))
    return 0 if found["works"] else 1
