"""Options and steps that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kneebundle.batch.request import ImageRequest

if TYPE_CHECKING:
    from kneebundle.batch.run import RunSummary


class _Path(click.Path):
    """A path; an empty text, as of a variable that is not set, does not mean the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)


class _Positive(click.FloatRange):
    """A number above 0, with a point or a decimal comma."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = float(str(value).replace(",", "."))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number; give one such as 0.2, without a unit", param, ctx)
        return super().convert(number, param, ctx)


POSITIVE = _Positive(min=0, min_open=True)


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
    "--overwrite",
    is_flag=True,
    help="Do everything again, also what an earlier run did in the same way. Files that kneebundle did not write are "
    "never overwritten.",
)
when_busy_option = click.option(
    "--when-busy",
    type=click.Choice(("wait", "fail")),
    default="wait",
    show_default=True,
    help="What to do while another run is at work in OUT: wait for its end, or fail.",
)


def deidentify_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for results without paths and identities."""
    salt = click.option(
        "--salt",
        type=PATH,
        help="File with the salt of --deidentify, outside OUT; it is made if it is not there. By default the salt is "
        "kept in the settings of your account.",
    )
    deidentify = click.option(
        "--deidentify",
        is_flag=True,
        help="Write hashes with a secret salt in place of paths and UIDs, and nothing about the patient into DICOM "
        "files.",
    )
    return deidentify(salt(command))


def check_salt(deidentify: bool, salt: Path | None) -> None:
    """Check that a salt is given only where one is needed."""
    if salt is not None and not deidentify:
        raise click.UsageError("--salt is for --deidentify")


def check_bundle(context: click.Context, folder: Path) -> None:
    """Check that a bundle, or the bundles of a folder, may run their code, or remember that they may."""
    from kneebundle.trust import check_trust, trust_bundles

    if context.meta.get(_TRUST):
        trust_bundles(folder)
    else:
        check_trust(folder)


def _check_bundles(context: click.Context, _: click.Parameter, folder: Path | None) -> Path | None:
    if folder is not None and folder.is_dir():
        check_bundle(context, folder)
    return folder


_TRUST = "kneebundle.trust"
trust_option = click.option(
    "--trust",
    is_flag=True,
    is_eager=True,  # before the folder is looked at
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({_TRUST: value}),
    help="Let bundles of others run the code in their configurations. It is remembered until these change.",
)


def bundles_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for bundles of others."""
    bundles = click.option(
        "--bundles",
        type=PATH,
        callback=_check_bundles,
        help="Use the bundles of this folder before the installed ones; those of others need --trust once.",
    )
    return bundles(trust_option(command))


def list_requests(
    paths: Sequence[Path], manifest: Path | None, output: Path, known: dict[str, Any]
) -> list[ImageRequest]:
    """List the radiographs of a call: those of its paths, or of its manifest."""
    from kneebundle.batch.manifest import find_requests, read_manifest

    return find_requests(paths, output, **known) if manifest is None else read_manifest(manifest, output, **known)


def report_run(summary: RunSummary) -> None:
    """Print how many results were made again and why, and what was found in the output folder."""
    from kneebundle.batch.reasons import describe_again

    again = describe_again(summary.again)
    if again is not None:
        click.echo(again)
    for note in summary.notes:
        click.echo(note, err=True)


def report_errors(errors: Sequence[tuple[str, str]], output: Path) -> int:
    """Print one line for each error, up to a few; gives the exit code."""
    for path, reason in errors[:10]:
        click.echo(f"refused {path}: {reason}", err=True)
    if errors:
        click.echo(f"all refusals: {output / 'errors.csv'}", err=True)
    return 1 if errors else 0
