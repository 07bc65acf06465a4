"""Options and steps that commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kneebundle.batch.request import ImageRequest

PATH = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)


class Names(click.ParamType):
    """Names joined by commas, each one of a few."""

    name = "names"

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split the text; an unknown name ends the call."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        unknown = [name for name in names if name not in self.allowed]
        if unknown:
            self.fail(f"{', '.join(map(repr, unknown))} is not one of {', '.join(self.allowed)}", param, ctx)
        return names


output_option = click.option(
    "-o", "--output", type=PATH, required=True, help="Folder for the results; it is made if it is not there."
)
device_option = click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where the networks run; auto takes a GPU if there is one.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Do everything again instead of resuming an earlier run."
)
bundles_option = click.option("--bundles", type=PATH, help="Use the bundles of this folder, not the installed ones.")


def list_requests(
    paths: Sequence[Path], manifest: Path | None, output: Path, known: dict[str, Any]
) -> list[ImageRequest]:
    """List the radiographs of a call: those of its paths, or of its manifest."""
    from kneebundle.batch.manifest import find_requests, read_manifest

    return find_requests(paths, output, **known) if manifest is None else read_manifest(manifest, output, **known)


def report_errors(errors: Sequence[tuple[str, str]], output: Path) -> int:
    """Print one line for each error, up to a few; gives the exit code."""
    for path, reason in errors[:10]:
        click.echo(f"refused {path}: {reason}", err=True)
    if errors:
        click.echo(f"all refusals: {output / 'errors.csv'}", err=True)
    return 1 if errors else 0
