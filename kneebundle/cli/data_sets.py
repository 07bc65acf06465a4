"""Commands that make data sets: synthesize, prepare-crops and prepare-oai."""

from __future__ import annotations

from pathlib import Path

import click

from kneebundle.cli.options import PATH, POSITIVE, report_errors

_ANNOTATIONS = "The file annotations/bf_landmarks_1_0.3.csv of github.com/MIPT-Oulu/KNEEL."


@click.command()
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the images and their labels.")
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Number of knees to draw.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Number that decides which knees are drawn."
)
@click.option(
    "--view",
    type=click.Choice(("pa-single", "lateral")),
    default="pa-single",
    show_default=True,
    help="From which direction the knees are seen.",
)
@click.option(
    "--size",
    "size_mm",
    type=POSITIVE,
    metavar="MM",
    help="Edge of a PA image (by default 140) or height of a lateral one (by default drawn, 165 to 250).",
)
@click.option("--spacing", "spacing_mm", type=POSITIVE, metavar="MM", help="Pixel size of PA images; by default 0.3.")
@click.option("--pixels", type=click.IntRange(128), help="Height of lateral images in pixels; by default 256.")
def synthesize(
    output: Path,
    count: int,
    seed: int,
    view: str,
    size_mm: float | None,
    spacing_mm: float | None,
    pixels: int | None,
) -> None:
    """Draw made-up knee radiographs with exact labels.

    PA knees get landmarks.csv; lateral ones points.csv and the masks of four bones.
    """
    if view == "lateral" and spacing_mm is not None:
        raise click.UsageError("--spacing is for PA knees; give --pixels, and --size if need be, with --view lateral")
    if view == "pa-single" and pixels is not None:
        raise click.UsageError("--pixels is for lateral knees; give --spacing, or --view lateral")
    if view == "lateral":
        from kneebundle.phantoms.lateral import synthesize_lateral

        rows = pixels or 256
        synthesize_lateral(output, count, seed, rows, None if size_mm is None else size_mm / rows)
    else:
        from kneebundle.phantoms.pa.data_set import synthesize_knees

        synthesize_knees(output, count, seed, size_mm or 140.0, spacing_mm or 0.3)
    click.echo(f"{count} knees drawn into {output}")


@click.command("prepare-crops")
@click.option("--images", type=PATH, required=True, help="Folder of the public crops; it is searched recursively.")
@click.option("--annotations", type=PATH, required=True, help=_ANNOTATIONS)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for images/ and landmarks.csv.")
def prepare_crops(images: Path, annotations: Path, output: Path) -> int:
    """Put the public knee crops and KNEEL's annotations together.

    The crops: doi 10.17632/56rmx5bjcr.1. The annotations: Tiulpin et al., doi 10.1109/ICCVW.2019.00046.
    """
    from kneebundle.datasets.crops import prepare_crops as prepare

    errors = prepare(images, annotations, output)
    click.echo(f"data set in {output}; {len(errors)} crops could not be had")
    return report_errors(errors, output)


@click.command("prepare-oai")
@click.option("--oai-dir", type=PATH, required=True, help="Folder with the releases of the OAI, as 0.C.2.")
@click.option("--annotations", type=PATH, required=True, help=_ANNOTATIONS)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for stage1/ and stage2/.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of processes.")
def prepare_oai(oai_dir: Path, annotations: Path, output: Path, workers: int) -> int:
    """Make training data of the OAI's radiographs and KNEEL's annotations.

    stage1/ gets 1 mm halves with joint centres, stage2/ regions of 140 x 140 mm at 0.3 mm with 16 landmarks. Run again,
    it resumes where it stopped.

    The films are found where contents.csv of the OAI's folder says or, without it, by their headers, in
    RELEASE/SUBJECT/DATE/SERIES/001 or SERIES.tar.gz, which need not be unpacked.
    """
    from kneebundle.datasets.oai import prepare_oai as prepare

    summary = prepare(oai_dir, annotations, output, workers, progress=True)
    again = f" ({summary.made_again} again, from another file)" if summary.made_again else ""
    click.echo(
        f"{summary.done} knees done{again}, {summary.done_before} done before, {len(summary.errors)} films refused"
    )
    return report_errors(summary.errors, output)
