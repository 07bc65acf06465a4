"""Commands that predict on radiographs: predict and register."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kneebundle.batch.engine import DEFAULT_FORMATS, FORMATS, Engine, RunOptions
from kneebundle.batch.request import SIDES, VIEWS
from kneebundle.cli.advice import ADVICE
from kneebundle.cli.browser import show_page
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

_RUNTIMES = ("auto", "torch", "onnx", "openvino")
_PRECISIONS = ("auto", "float32", "bfloat16")
_LANDMARK_BUNDLES = ("knee_landmark_localization", "knee_landmark_scn", "knee_landmark_rfrv")


@click.command()
@click.argument("paths", nargs=-1, type=PATH)
@output_option
@click.option(
    "--manifest",
    type=PATH,
    help="Take the radiographs from a CSV file with the column path and, optionally, side, spacing_mm and view.",
)
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default="auto",
    show_default=True,
    help="What the radiographs show; auto goes by the DICOM header, else by the image.",
)
@click.option("--spacing", "spacing_mm", type=POSITIVE, metavar="MM", help="Pixel size of images that state none.")
@click.option("--side", type=click.Choice(SIDES), help="Side of the knee on radiographs of a single knee.")
@click.option(
    "--stages",
    type=click.Choice(("1", "2")),
    default="2",
    show_default=True,
    help="With 2, crop again around the first result and repeat.",
)
@device_option
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Number of threads that read and write while the networks predict.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Number of radiographs predicted together.",
)
@click.option(
    "--engine",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    help="With ray, many processes predict, on several machines too; "
    "all must see the radiographs and OUT under the same path.",
)
@click.option(
    "--address", help="Ray cluster to use: auto, HOST:PORT or ray://HOST:PORT. By default Ray uses this machine alone."
)
@click.option(
    "--actors",
    type=click.IntRange(1),
    help="Number of processes with --engine ray; by default one for each GPU or, without any, for each core.",
)
@click.option(
    "--formats",
    type=Names(FORMATS),
    default=",".join(DEFAULT_FORMATS),
    show_default=True,
    help=f"What to write, of {','.join(FORMATS)}. seg (lateral films only), sr and gsps need DICOM images.",
)
@click.option(
    "--open", "open_page", is_flag=True, help="Show index.html in a browser at the end; needs --formats ..,html."
)
@overwrite_option
@when_busy_option
@deidentify_option
@click.option("--mirror", is_flag=True, help="Look for the joints in the mirrored radiograph, too: slower, steadier.")
@bundles_option
@click.option(
    "--landmarks-bundle",
    type=click.Choice(_LANDMARK_BUNDLES),
    default=_LANDMARK_BUNDLES[0],
    show_default=True,
    help="The bundle that finds the 16 landmarks of PA radiographs.",
)
@click.option(
    "--refine",
    type=click.Choice(("parts",)),
    help="With parts, register PA knees onto a reference between the stages, "
    "for radiographs where the joint is found only roughly.",
)
@click.option(
    "--runtime",
    type=click.Choice(_RUNTIMES),
    default="auto",
    show_default=True,
    help="What runs the networks; auto takes the fastest that is installed and predicts as torch does.",
)
@click.option(
    "--precision",
    type=click.Choice(_PRECISIONS),
    default="auto",
    show_default=True,
    help="Precision of the networks; auto is float32. bfloat16 moves landmarks by up to 0.1 mm.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr what runs the networks.")
def predict(
    paths: tuple[Path, ...],
    output: Path,
    manifest: Path | None,
    view: View | str,
    spacing_mm: float | None,
    side: Side | None,
    stages: str,
    device: str,
    workers: int,
    batch_size: int,
    engine: str,
    address: str | None,
    actors: int | None,
    formats: tuple[str, ...],
    open_page: bool,
    overwrite: bool,
    when_busy: str,
    deidentify: bool,
    salt: Path | None,
    mirror: bool,
    bundles: Path | None,
    landmarks_bundle: str,
    refine: str | None,
    runtime: str,
    precision: str,
    verbose: bool,
) -> int:
    """Find the knees and their landmarks in radiographs; on lateral ones the bones and the Schoettle point.

    PATHS are DICOM, PNG, JPEG, NIfTI or MHA files, or folders of them, searched recursively. OUT gets <stem>.json and
    <stem>.png for each image (and <stem>_<bone>.png for each bone of a lateral one), landmarks.csv, measurements.csv
    and images.csv for all of them, and errors.csv. Images of the same stem are told apart by their folders.

    The format html makes a page to look at for each image, <stem>.html, and index.html over all of them.

    Run again, it skips what was done from the same image in the same way, and makes the rest again.

    With --view auto a radiograph is lateral where its DICOM header says so; PNG and JPEG need --view lateral or a
    manifest.
    """
    if bool(paths) == (manifest is not None):
        raise click.UsageError("give either files and folders, or --manifest FILE.csv")
    if side is not None and view == "pa-bilateral":
        raise click.UsageError("--side is for films of a single knee, and --view pa-bilateral means both")
    check_salt(deidentify, salt)
    if "seg" in formats and view.startswith("pa-"):
        raise click.UsageError(f"--formats seg is for the bones of lateral films, and --view is {view}")
    if open_page and "html" not in formats:
        raise click.UsageError("--open shows index.html; ask for it with --formats json,csv,html")
    if engine == "local" and (address is not None or actors is not None):
        raise click.UsageError("--address and --actors are for --engine ray")
    if verbose:  # the logs of other libraries may quote an image's header
        logger = logging.getLogger("kneebundle")
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    _start()
    from kneebundle.batch.made_with import describe_pipeline
    from kneebundle.batch.run import predict_images
    from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView

    if engine == "local":  # a cluster's machines may have other packages
        from kneebundle.inferers.devices import choose_device
        from kneebundle.inferers.runtime import choose_runtime

        choose_runtime(runtime, choose_device(device), None if precision in ("auto", "float32") else precision)
    chosen_engine = _choose_engine(engine, address, actors, device)
    known = {"side": side, "spacing_mm": spacing_mm, "view": None if view == "auto" else view}
    requests = list_requests(paths, manifest, output, known)
    networks = PipelineOptions(
        bundles=None if bundles is None else bundles.absolute(),  # workers may run elsewhere
        device=device,
        stages=int(stages),
        mirror=mirror,
        landmark_bundle=landmarks_bundle,
        refine=refine is not None,
        runtime=runtime,
        precision="float32" if precision == "auto" else precision,
        views=frozenset(request.view for request in requests),
    )
    options = RunOptions(
        formats=formats,
        batch_size=batch_size,
        workers=workers,
        overwrite=overwrite,
        progress=True,
        advice=ADVICE,
        when_busy=when_busy,
        deidentify=deidentify,
        salt=salt,
    )
    make = partial(PipelinesByView.from_bundles, networks)
    summary = predict_images(requests, output, make, options, chosen_engine, describe_pipeline(networks))
    click.echo(
        f"{summary.done} done, {summary.skipped} done before, {len(summary.errors)} refused, "
        f"{summary.flagged} flagged; results in {output}"
    )
    if open_page:
        show_page(output / "index.html")
    report_run(summary)
    return report_errors(summary.errors, output)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@output_option
@click.option("--reference", type=PATH, help="A crop of a knee to register onto, instead of the bundle's own parts.")
@click.option("--reference-side", type=click.Choice(SIDES), help="Side of the reference; right, if nobody says.")
@click.option(
    "--loss",
    type=click.Choice(("parts", "ncc")),
    default="parts",
    show_default=True,
    help="With ncc, register by normalised cross-correlation with the reference.",
)
@click.option("--side", type=click.Choice(SIDES), help="Side of the knees; if nobody says, both are tried.")
@device_option
@click.option(
    "--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Number of crops registered together."
)
@overwrite_option
@when_busy_option
@deidentify_option
@bundles_option
def register(
    paths: tuple[Path, ...],
    output: Path,
    reference: Path | None,
    reference_side: Side | None,
    loss: str,
    side: Side | None,
    device: str,
    batch_size: int,
    overwrite: bool,
    when_busy: str,
    deidentify: bool,
    salt: Path | None,
    bundles: Path | None,
) -> int:
    """Register rough crops of a knee onto a reference knee.

    PATHS are images of one knee from the front, or folders of them. OUT gets <stem>.json with the similarity transform,
    <stem>.png, the registered crop, and <stem>_before_after.png for each, and errors.csv. A crop that does not look
    like the reference anywhere is said not to be registered and passes unchanged.
    """
    if loss == "ncc" and reference is None:
        raise click.UsageError("--loss ncc needs a template; give a crop of a knee with --reference")
    check_salt(deidentify, salt)
    _start()
    from kneebundle.batch.made_with import describe_registration
    from kneebundle.batch.run import register_images
    from kneebundle.registration.model import RegistrationModel

    summary = register_images(
        list_requests(paths, None, output, {"side": side}),
        output,
        partial(RegistrationModel.from_bundles, bundles, device, loss, reference, reference_side),
        RunOptions(
            batch_size=batch_size,
            overwrite=overwrite,
            progress=True,
            advice=ADVICE,
            when_busy=when_busy,
            deidentify=deidentify,
            salt=salt,
        ),
        made_with=describe_registration(bundles, loss, reference, reference_side),
    )
    click.echo(
        f"{summary.done - summary.flagged} registered, {summary.flagged} not registered, "
        f"{summary.skipped} done before, {len(summary.errors)} refused; results in {output}"
    )
    report_run(summary)
    return report_errors(summary.errors, output)


def _start() -> None:
    if click.get_current_context().find_object(bool):
        from kneebundle.cli.quick_start import start_quickly

        start_quickly()


def _choose_engine(name: str, address: str | None, actors: int | None, device: str) -> Engine:
    if name == "ray":
        from kneebundle.batch.ray_engine import RayEngine

        return RayEngine(address, actors, device)
    from kneebundle.batch.local_engine import LocalEngine

    return LocalEngine()
