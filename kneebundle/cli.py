"""The command line. Commands import what they need when they run, so that ``kneebundle --help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kneebundle import __version__
from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from kneebundle.inference.manifest import ImageRequest

__all__ = ["cli", "main"]

_PATH = click.Path(path_type=Path)
_VIEWS = ("auto", "pa-bilateral", "pa-single")
_FORMATS = ("json", "csv", "png")
_LANDMARKS = 16
_POSITIVE = click.FloatRange(min=0, min_open=True)


class _Names(click.ParamType):
    """Names joined by commas, each one of a few."""

    name = "names"

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        unknown = [name for name in names if name not in self.allowed]
        if unknown:
            self.fail(f"{', '.join(map(repr, unknown))} is not one of {', '.join(self.allowed)}", param, ctx)
        return names


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kneebundle")
def cli() -> None:
    """Find anatomy in plain knee radiographs.

    Exit codes: 0 all done; 1 some inputs were refused, see errors.csv; 2 the call itself is wrong.
    """


@cli.command()
@click.argument("paths", nargs=-1, type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the results; made if it is not there.")
@click.option("--manifest", type=_PATH, help="CSV file with the columns path and, optionally, side, spacing_mm, view.")
@click.option("--view", type=click.Choice(_VIEWS), default="auto", show_default=True, help="What the films show.")
@click.option("--spacing", "spacing_mm", type=_POSITIVE, metavar="MM", help="Pixel size of images that carry none.")
@click.option("--side", type=click.Choice(("R", "L")), help="Side of the knee on films of a single knee.")
@click.option(
    "--stages", type=click.Choice(("1", "2")), default="2", show_default=True, help="2: look again, re-centred."
)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(0), default=2, show_default=True, help="Threads that read and write.")
@click.option("--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Films that go together.")
@click.option("--formats", type=_Names(_FORMATS), default=",".join(_FORMATS), show_default=True, help="What to write.")
@click.option("--overwrite", is_flag=True, help="Do again what an earlier run did, instead of going on after it.")
@click.option("--mirror", is_flag=True, help="Look for the joints in the mirrored film, too: slower, steadier.")
@click.option("--bundles", type=_PATH, help="Folder with other bundles than those installed.")
def predict(
    paths: tuple[Path, ...],
    output: Path,
    manifest: Path | None,
    view: str,
    spacing_mm: float | None,
    side: str | None,
    stages: str,
    device: str,
    workers: int,
    batch_size: int,
    formats: tuple[str, ...],
    overwrite: bool,
    mirror: bool,
    bundles: Path | None,
) -> int:
    """Find the knees and their landmarks in radiographs.

    PATHS are DICOM, PNG, JPEG, NIfTI or MHA files, or folders of them, searched recursively. OUT gets <stem>.json and
    <stem>.png for each image, landmarks.csv and measurements.csv for all of them, and errors.csv. Images of the same stem
    are told apart by their folders.
    """
    if bool(paths) == (manifest is not None):
        raise click.UsageError("give either files and folders, or --manifest FILE.csv")
    if side is not None and view == "pa-bilateral":
        raise click.UsageError("--side is for films of a single knee, and --view pa-bilateral means both")
    from kneebundle.inference.run import predict_images

    known = {"side": side, "spacing_mm": spacing_mm, "view": None if view == "auto" else view}
    requests = _requests(paths, manifest, output, known)
    summary = predict_images(
        requests,
        output,
        lambda: _pipeline(bundles, device, int(stages), mirror),
        formats=formats,
        batch_size=batch_size,
        workers=workers,
        overwrite=overwrite,
        progress=True,
    )
    click.echo(
        f"{summary.done} done, {summary.skipped} done before, {len(summary.refused)} refused, "
        f"{summary.flagged} flagged; results in {output}"
    )
    return _refusals(summary.refused, output)


@cli.command()
@click.option("--predictions", type=_PATH, required=True, help="The folder that kneebundle predict wrote.")
@click.option(
    "--truth", type=_PATH, required=True, help="CSV: image, side, spacing_mm, x0, y0 .. x15, y15; kl if known."
)
@click.option("--landmarks", default="0,8,9,15", show_default=True, help="Ids to count, joined by commas, or all.")
@click.option("-o", "--output", type=_PATH, help="Folder for evaluation.*; default: beside the predictions.")
def evaluate(predictions: Path, truth: Path, landmarks: str, output: Path | None) -> None:
    """Compare predicted landmarks with labelled ones.

    A labelled knee without a prediction counts as a failure in the percentages, and is left out of mean and median.
    """
    ids = _ids(landmarks)
    from kneebundle.inference.evaluation import compare, summarize
    from kneebundle.reports.evaluation_report import format_summary, write_evaluation

    comparison = compare(predictions, truth)
    summary = summarize(comparison, ids)
    folder = output or (predictions if predictions.is_dir() else predictions.parent)
    write_evaluation(comparison, summary, ids, folder)
    click.echo(format_summary(summary))
    knees = zip(comparison.images, comparison.sides, comparison.missing, strict=True)
    without = [f"{image} {side}" for image, side, missing in knees if missing]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        click.echo(f"no prediction for {len(without)} knees: {', '.join(without[:5])}{more}", err=True)
    if comparison.unused:
        click.echo(f"{comparison.unused} predicted knees have no label and were left out", err=True)


@cli.command()
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for images/ and landmarks.csv.")
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="How many knees.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--size", "size_mm", type=_POSITIVE, default=140.0, show_default=True, metavar="MM", help="Edge of an image."
)
@click.option(
    "--spacing", "spacing_mm", type=_POSITIVE, default=0.3, show_default=True, metavar="MM", help="Pixel size."
)
def synthesize(output: Path, count: int, seed: int, size_mm: float, spacing_mm: float) -> None:
    """Draw made-up knee radiographs with exact labels."""
    from kneebundle.datasets.phantoms.samples import synthesize as draw

    draw(output, count, seed, size_mm, spacing_mm)
    click.echo(f"{count} knees drawn into {output}")


@cli.command("prepare-crops")
@click.option("--images", type=_PATH, required=True, help="Folder of the public crops, searched recursively.")
@click.option("--annotations", type=_PATH, required=True, help="KNEEL's kneel_oai_annotations.csv.")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for images/ and landmarks.csv.")
def prepare_crops(images: Path, annotations: Path, output: Path) -> int:
    """Put the public knee crops and KNEEL's annotations together.

    The crops: doi 10.17632/56rmx5bjcr.1. The annotations: Tiulpin et al., doi 10.1109/ICCVW.2019.00046.
    """
    from kneebundle.datasets.prepare_crops import prepare_crops as prepare

    refused = prepare(images, annotations, output)
    click.echo(f"data set in {output}; {len(refused)} crops could not be had")
    return _refusals(refused, output)


@cli.command("prepare-oai")
@click.option("--oai-dir", type=_PATH, required=True, help="The OAI's folder, with contents.csv.")
@click.option("--annotations", type=_PATH, required=True, help="KNEEL's kneel_oai_annotations.csv.")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for stage1/ and stage2/.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
def prepare_oai(oai_dir: Path, annotations: Path, output: Path, workers: int) -> int:
    """Make training data of the OAI's radiographs and KNEEL's annotations.

    stage1/ gets 1 mm halves with joint centres, stage2/ regions of 140 x 140 mm at 0.3 mm with 16 landmarks. Run again, it
    goes on where it stopped.
    """
    from kneebundle.datasets.oai import prepare_oai as prepare

    summary = prepare(oai_dir, annotations, output, workers, progress=True)
    click.echo(f"{summary.done} knees done, {summary.skipped} done before, {len(summary.refused)} films refused")
    return _refusals(summary.refused, output)


@cli.command()
@click.option("--bundles", "folder", type=_PATH, help="Folder with bundles; default: those installed.")
def bundles(folder: Path | None) -> None:
    """List the bundles with their versions and the sha256 of their weights."""
    from kneebundle.zoo.installed import installed_bundles

    for bundle in installed_bundles(folder):
        click.echo(f"{bundle.name} {bundle.version}")
        for name, digest in bundle.weights:
            click.echo(f"  models/{name}  sha256 {digest}")
        if not bundle.weights:
            click.echo("  no weights: train it, or install a release that carries them")


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
        click.echo(f"kneebundle: {error}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("kneebundle: stopped; the same call goes on from here", err=True)
        return 130


def _requests(paths: Sequence[Path], manifest: Path | None, output: Path, known: dict[str, Any]) -> list[ImageRequest]:
    from kneebundle.inference.manifest import find_requests, read_manifest

    return find_requests(paths, output, **known) if manifest is None else read_manifest(manifest, output, **known)


def _pipeline(bundles: Path | None, device: str, stages: int, mirror: bool) -> Any:
    from kneebundle.inference.pipeline import KneePipeline

    return KneePipeline.from_bundles(bundles, device=device, stages=stages, mirror=mirror)


def _refusals(refused: Sequence[tuple[str, str]], output: Path) -> int:
    """One line for each refusal, up to a few; gives the exit code."""
    for path, reason in refused[:10]:
        click.echo(f"refused {path}: {reason}", err=True)
    if refused:
        click.echo(f"all refusals: {output / 'errors.csv'}", err=True)
    return 1 if refused else 0


def _ids(text: str) -> list[int]:
    if text.strip() == "all":
        return list(range(_LANDMARKS))
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) < _LANDMARKS for part in parts):
        raise click.UsageError(
            f"--landmarks is {text!r}; numbers from 0 to {_LANDMARKS - 1} joined by commas are needed"
        )
    return list(dict.fromkeys(int(part) for part in parts))
