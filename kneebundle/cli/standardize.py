"""The command that cuts out knees, level, of one size and spacing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kneebundle.batch.engine import RunOptions
from kneebundle.batch.request import SIDES, VIEWS
from kneebundle.cli.advice import ADVICE
from kneebundle.cli.options import (
    PATH,
    POSITIVE,
    Names,
    bundles_option,
    check_salt,
    deidentify_option,
    device_option,
    list_requests,
    output_option,
    overwrite_option,
    report_errors,
    report_run,
    when_busy_option,
)

if TYPE_CHECKING:
    from kneebundle.radiograph import Side, View

_FORMATS = ("png", "nifti", "dicom")


@click.command()
@click.argument("paths", nargs=-1, type=PATH)
@output_option
@click.option(
    "--manifest",
    type=PATH,
    help="Take the radiographs from a CSV file with the column path and, optionally, side, spacing_mm and view.",
)
@click.option(
    "--pixel",
    "pixel_mm",
    type=POSITIVE,
    default=0.2,
    show_default=True,
    metavar="MM",
    help="Size of a pixel of the pictures.",
)
@click.option(
    "--size",
    "size_mm",
    type=POSITIVE,
    nargs=2,
    default=(140.0, 140.0),
    show_default=True,
    metavar="HEIGHT WIDTH",
    help="Size of the pictures in mm.",
)
@click.option("--no-mirror", is_flag=True, help="Leave left knees as they are instead of flipping them.")
@click.option(
    "--formats", type=Names(_FORMATS), default="png", show_default=True, help=f"What to write, of {','.join(_FORMATS)}."
)
@click.option(
    "--bits", type=click.Choice(("8", "16")), default="16", show_default=True, help="Depth of the pictures' greys."
)
@click.option(
    "--regions", is_flag=True, help="Cut out boxes of bone below the medial and the lateral plateau too, for texture."
)
@click.option(
    "--region-size",
    type=POSITIVE,
    nargs=2,
    default=(14.0, 6.0),
    show_default=True,
    metavar="WIDTH HEIGHT",
    help="Size in mm of the subchondral box; a square of its width follows below it.",
)
@click.option("--keep-flagged", is_flag=True, help="Take knees with a flag too, if they have landmarks.")
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default="auto",
    show_default=True,
    help="What radiographs without a prediction show; auto goes by the DICOM header, else by the image.",
)
@click.option("--spacing", "spacing_mm", type=POSITIVE, metavar="MM", help="Pixel size of images that state none.")
@click.option("--side", type=click.Choice(SIDES), help="Side of the knee on radiographs of a single knee.")
@click.option(
    "--workers", type=click.IntRange(0), default=2, show_default=True, help="Number of threads that read and write."
)
@device_option
@bundles_option
@overwrite_option
@when_busy_option
@deidentify_option
def standardize(
    paths: tuple[Path, ...],
    output: Path,
    manifest: Path | None,
    pixel_mm: float,
    size_mm: tuple[float, float],
    no_mirror: bool,
    formats: tuple[str, ...],
    bits: str,
    regions: bool,
    region_size: tuple[float, float],
    keep_flagged: bool,
    view: View | str,
    spacing_mm: float | None,
    side: Side | None,
    workers: int,
    device: str,
    bundles: Path | None,
    overwrite: bool,
    when_busy: str,
    deidentify: bool,
    salt: Path | None,
) -> int:
    """Cut out each knee: turned until the plateau is level, at one pixel size and picture size, left ones flipped.

    PATHS are radiographs or folders of them, or the output folder of kneebundle predict, whose predictions are then
    used, with what kneebundle annotate made of them. OUT gets <stem>_R.png and <stem>_L.png, <stem>.json with the way
    back to the radiograph, standardized.csv with a row a knee, and errors.csv. Knees with a flag are left out;
    standardized.csv lists them and says why. Of lateral radiographs the Schoettle point is the middle, and the
    posterior femoral cortex is upright.
    """
    if bool(paths) == (manifest is not None):
        raise click.UsageError("give either files and folders, or --manifest FILE.csv")
    check_salt(deidentify, salt)
    from kneebundle.batch.standardized import RecordedPipeline, list_recorded, standardize_images
    from kneebundle.reports.standardized import RegionSizes, StandardGrid, StandardSettings

    settings = StandardSettings(
        StandardGrid(pixel_mm, size_mm, not no_mirror),
        formats,
        int(bits),
        RegionSizes(*region_size) if regions else None,
        keep_flagged,
    )
    records = _find_predictions(paths)
    if records:
        requests, pipeline, made_with = list_recorded(records), partial(RecordedPipeline, records), None
    else:
        known = {"side": side, "spacing_mm": spacing_mm, "view": None if view == "auto" else view}
        requests = list_requests(paths, manifest, output, known)
        pipeline, made_with = _choose_pipeline(bundles, device, {request.view for request in requests})
    options = RunOptions(
        workers=workers,
        overwrite=overwrite,
        progress=True,
        advice=ADVICE,
        when_busy=when_busy,
        deidentify=deidentify,
        salt=salt,
    )
    summary = standardize_images(requests, output, pipeline, settings, options, made_with=made_with)
    click.echo(
        f"{summary.done} radiographs done, {summary.skipped} done before, {len(summary.errors)} refused; "
        f"knees in {output / 'standardized.csv'}"
    )
    report_run(summary)
    return report_errors(summary.errors, output)


def _find_predictions(paths: tuple[Path, ...]) -> dict[str, dict[str, Any]]:
    """The predictions in output folders of predict, corrected where they were; none for radiographs."""
    from kneebundle.annotation import use_corrections
    from kneebundle.batch.standardized import find_records

    found = [find_records(path) if path.is_dir() else {} for path in paths]
    if any(found) and not all(found):
        raise click.UsageError("give either output folders of kneebundle predict, or radiographs and folders of them")
    both = zip(paths, found, strict=True)
    return {image: document for path, records in both for image, document in use_corrections(records, path).items()}


def _choose_pipeline(bundles: Path | None, device: str, views: set[Any]) -> tuple[Any, dict[str, Any]]:
    """What makes the pipeline that predicts, and what its predictions depend on."""
    from kneebundle.batch.made_with import describe_pipeline
    from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView

    folder = None if bundles is None else bundles.absolute()
    networks = PipelineOptions(bundles=folder, device=device, views=frozenset(views))
    return partial(PipelinesByView.from_bundles, networks), describe_pipeline(networks)
