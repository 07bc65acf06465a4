"""Commands that correct predictions by hand: annotate and export-corrections."""

from __future__ import annotations

import getpass
import webbrowser
from pathlib import Path

import click

from kneebundle.cli.advice import ADVICE
from kneebundle.cli.browser import has_screen
from kneebundle.cli.options import PATH

images_option = click.option(
    "--images", type=PATH, help="Folder to look for radiographs in that are no longer where they were predicted on."
)


@click.command()
@click.argument("folder", metavar="OUT", type=PATH)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the server; by default any that is free."
)
@click.option("--open/--no-open", "open_page", default=True, show_default=True, help="Open the page in a browser.")
@click.option("--rater", help="Name that is written into the corrections; by default that of the account.")
@images_option
def annotate(folder: Path, port: int, open_page: bool, rater: str | None, images: Path | None) -> None:
    """Look at predictions in a browser, correct their points, accept or reject them.

    OUT is the output folder of kneebundle predict. The page is served to this machine alone, at an address with a
    random token. What you do is saved at once in OUT/corrections/<stem>.json; the predictions stay as they are. Ctrl-C
    stops the server.

    The corrections are a truth for kneebundle evaluate --truth OUT/corrections, and training data by kneebundle
    export-corrections.
    """
    from kneebundle.annotation.server import AnnotationServer

    name = _find_user() if rater is None else rater
    with AnnotationServer(folder, port, name, images, ADVICE) as server:
        click.echo(f"{len(server.films.scan())} radiographs at {server.address} (stop with Ctrl-C)")
        if open_page and has_screen():
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            left = f"the corrections are in {server.corrections}"
            click.echo(f"\nstopped; {left if server.corrections.is_dir() else 'nothing was corrected'}", err=True)


@click.command("export-corrections")
@click.argument("folder", metavar="OUT", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the data set.")
@images_option
def export_corrections(folder: Path, output: Path, images: Path | None) -> None:
    """Make training data of corrected predictions.

    OUT is the output folder that kneebundle annotate was run on. The data set holds the accepted and the corrected
    knees: images/ and landmarks.csv of those from the front, as the landmark bundles' training takes them, and lateral/
    with images/, masks/ and points.csv for the planning bundle. What is open, rejected or has points that are not
    visible is left out and listed in left_out.csv.
    """
    from kneebundle.annotation.export import export_corrections as export

    summary = export(folder, output, images)
    found = f"{summary.knees} knees and {summary.laterals} lateral radiographs in {output}"
    click.echo(f"{found}; {len(summary.left_out)} left out")
    for name, reason in summary.left_out[:10]:
        click.echo(f"left out {name}: {reason}", err=True)


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
