"""The command line. Commands import what they need when they run, so that ``kneebundle --help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kneebundle import __version__
from kneebundle.batch.engine import DEFAULT_FORMATS, FORMATS, Engine, RunOptions
from kneebundle.batch.request import SIDES, VIEWS, ImageRequest
from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from kneebundle.radiograph import Side, View

__all__ = ["ADVICE", "cli", "main"]

ADVICE = {
    "spacing_mm": "give it with --spacing MM, or in the manifest's column spacing_mm",
    "side": "give it with --side, or in the manifest's column side",
    "view": "say what the radiographs show with --view, or in the manifest's column view",
    "output": "give another folder with -o",
    "device": "use --device cpu",
    "formats": "leave them out of --formats",
    "engine": "--engine local needs no Ray",
    "actors": "say how many with --actors",
    "reference": "give one with --reference",
    "predictions": "run kneebundle predict with --formats json,csv,png and give its folder",
    "overwrite": "use --overwrite for that",
}
"""What a user of the command line does about an error, by its field."""

_PATH = click.Path(path_type=Path)
_RUNTIMES = ("torchscript", "onnx")
_LANDMARK_BUNDLES = ("knee_landmark_localization", "knee_landmark_scn")
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


_output_option = click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results; it is made if it is not there."
)
_device_option = click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where the networks run; auto takes a GPU if there is one.",
)
_overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Do everything again instead of resuming an earlier run."
)
_bundles_option = click.option("--bundles", type=_PATH, help="Use the bundles of this folder, not the installed ones.")


@cli.command()
@click.argument("paths", nargs=-1, type=_PATH)
@_output_option
@click.option(
    "--manifest",
    type=_PATH,
    help="Take the radiographs from a CSV file with the column path and, optionally, side, spacing_mm and view.",
)
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default="auto",
    show_default=True,
    help="What the radiographs show; auto goes by the DICOM header, else by the image.",
)
@click.option("--spacing", "spacing_mm", type=_POSITIVE, metavar="MM", help="Pixel size of images that state none.")
@click.option("--side", type=click.Choice(SIDES), help="Side of the knee on radiographs of a single knee.")
@click.option(
    "--stages",
    type=click.Choice(("1", "2")),
    default="2",
    show_default=True,
    help="With 2, crop again around the first result and repeat.",
)
@_device_option
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
    type=_Names(FORMATS),
    default=",".join(DEFAULT_FORMATS),
    show_default=True,
    help=f"What to write, of {','.join(FORMATS)}. seg (lateral films only) and sr need DICOM images.",
)
@_overwrite_option
@click.option("--mirror", is_flag=True, help="Look for the joints in the mirrored radiograph, too: slower, steadier.")
@_bundles_option
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
    overwrite: bool,
    mirror: bool,
    bundles: Path | None,
    landmarks_bundle: str,
    refine: str | None,
) -> int:
    """Find the knees and their landmarks in radiographs; on lateral ones the bones and the Schoettle point.

    PATHS are DICOM, PNG, JPEG, NIfTI or MHA files, or folders of them, searched recursively. OUT gets <stem>.json and
    <stem>.png for each image (and <stem>_<bone>.png for each bone of a lateral one), landmarks.csv and measurements.csv
    for all of them, and errors.csv. Images of the same stem are told apart by their folders.

    With --view auto a radiograph is lateral where its DICOM header says so; PNG and JPEG need --view lateral or a
    manifest.
    """
    if bool(paths) == (manifest is not None):
        raise click.UsageError("give either files and folders, or --manifest FILE.csv")
    if side is not None and view == "pa-bilateral":
        raise click.UsageError("--side is for films of a single knee, and --view pa-bilateral means both")
    if "seg" in formats and view.startswith("pa-"):
        raise click.UsageError(f"--formats seg is for the bones of lateral films, and --view is {view}")
    if engine == "local" and (address is not None or actors is not None):
        raise click.UsageError("--address and --actors are for --engine ray")
    from kneebundle.batch.run import predict_images
    from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView

    chosen_engine = _choose_engine(engine, address, actors, device)
    known = {"side": side, "spacing_mm": spacing_mm, "view": None if view == "auto" else view}
    requests = _list_requests(paths, manifest, output, known)
    networks = PipelineOptions(
        bundles=None if bundles is None else bundles.absolute(),  # workers may run elsewhere
        device=device,
        stages=int(stages),
        mirror=mirror,
        landmark_bundle=landmarks_bundle,
        refine=refine is not None,
        views=frozenset(request.view for request in requests),
    )
    options = RunOptions(
        formats=formats, batch_size=batch_size, workers=workers, overwrite=overwrite, progress=True, advice=ADVICE
    )
    summary = predict_images(requests, output, partial(PipelinesByView.from_bundles, networks), options, chosen_engine)
    click.echo(
        f"{summary.done} done, {summary.skipped} done before, {len(summary.errors)} refused, "
        f"{summary.flagged} flagged; results in {output}"
    )
    return _report_errors(summary.errors, output)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@_output_option
@click.option("--reference", type=_PATH, help="A crop of a knee to register onto, instead of the bundle's own parts.")
@click.option("--reference-side", type=click.Choice(SIDES), help="Side of the reference; right, if nobody says.")
@click.option(
    "--loss",
    type=click.Choice(("parts", "ncc")),
    default="parts",
    show_default=True,
    help="With ncc, register by normalised cross-correlation with the reference.",
)
@click.option("--side", type=click.Choice(SIDES), help="Side of the knees; if nobody says, both are tried.")
@_device_option
@click.option(
    "--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Number of crops registered together."
)
@_overwrite_option
@_bundles_option
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
    bundles: Path | None,
) -> int:
    """Register rough crops of a knee onto a reference knee.

    PATHS are images of one knee from the front, or folders of them. OUT gets <stem>.json with the similarity transform,
    <stem>.png, the registered crop, and <stem>_before_after.png for each, and errors.csv. A crop that does not look
    like the reference anywhere is said not to be registered and passes unchanged.
    """
    if loss == "ncc" and reference is None:
        raise click.UsageError("--loss ncc needs a template; give a crop of a knee with --reference")
    from kneebundle.batch.run import register_images
    from kneebundle.registration.model import RegistrationModel

    summary = register_images(
        _list_requests(paths, None, output, {"side": side}),
        output,
        partial(RegistrationModel.from_bundles, bundles, device, loss, reference, reference_side),
        RunOptions(batch_size=batch_size, overwrite=overwrite, progress=True, advice=ADVICE),
    )
    click.echo(
        f"{summary.done - summary.flagged} registered, {summary.flagged} not registered, "
        f"{summary.skipped} done before, {len(summary.errors)} refused; results in {output}"
    )
    return _report_errors(summary.errors, output)


@cli.command()
@click.option("--predictions", type=_PATH, required=True, help="Output folder of kneebundle predict.")
@click.option(
    "--truth",
    "truths",
    type=_PATH,
    required=True,
    multiple=True,
    help="CSV file with the labels. Columns of PA knees: image, side, spacing_mm, x0, y0 .. x15, y15; kl if known. "
    "Columns of lateral films: image, spacing_mm, p_blum_x, p_blum_y, p_tmc_.., p_prox_.., p_dist_..; rater and "
    "suitable if known. Give one file for each rater if there are several.",
)
@click.option(
    "--landmarks",
    default="0,8,9,15",
    show_default=True,
    help="Numbers of the landmarks to count, joined by commas, or all.",
)
@click.option("-o", "--output", type=_PATH, help="Folder for the results; by default that of the predictions.")
def evaluate(predictions: Path, truths: tuple[Path, ...], landmarks: str, output: Path | None) -> None:
    """Compare predictions with labels: landmarks of PA knees, or the planning on lateral films.

    The columns of the truth say which of the two it is. A labelled knee without a prediction counts as a failure in
    the percentages, and is left out of mean and median. Masks of lateral films are looked for in
    masks/<stem>_<bone>.png beside the truth.
    """
    from kneebundle.evaluation.planning_truth import is_planning_truth

    folder = output or (predictions if predictions.is_dir() else predictions.parent)
    if is_planning_truth(truths[0]):
        _evaluate_plannings(predictions, truths, folder)
        return
    if len(truths) > 1:
        raise click.UsageError("several --truth files are for the raters of lateral films; PA knees have one")
    truth = truths[0]
    ids = _parse_landmarks(landmarks)
    from kneebundle.evaluation.landmark_report import format_summary, write_evaluation
    from kneebundle.evaluation.landmarks import compare, summarize

    comparison = compare(predictions, truth)
    summary = summarize(comparison, ids)
    write_evaluation(comparison, summary, ids, folder)
    click.echo(format_summary(summary))
    knees = zip(comparison.images, comparison.sides, comparison.missing, strict=True)
    without = [f"{image} {side}" for image, side, missing in knees if missing]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        click.echo(f"no prediction for {len(without)} knees: {', '.join(without[:5])}{more}", err=True)
    if comparison.unused:
        click.echo(f"{comparison.unused} predicted knees have no label and were left out", err=True)


def _evaluate_plannings(predictions: Path, truths: Sequence[Path], folder: Path) -> None:
    from kneebundle.evaluation.planning import compare_plannings, summarize_plannings
    from kneebundle.evaluation.planning_report import format_planning_summary, write_planning_evaluation

    comparison = compare_plannings(predictions, truths)
    summary = summarize_plannings(comparison)
    write_planning_evaluation(comparison, summary, folder)
    click.echo(format_planning_summary(summary))
    without = [f"{image}: {why}" for image, why in zip(comparison.images, comparison.missing, strict=True) if why]
    for line in without[:5]:
        click.echo(f"no Schoettle point on {line}", err=True)
    if len(without) > 5:
        click.echo(f"nor on {len(without) - 5} more; see {folder / 'planning_evaluation.csv'}", err=True)
    if comparison.unused:
        click.echo(f"{comparison.unused} predicted films have no label and were left out", err=True)


@cli.command()
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the images and their labels.")
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
    type=_POSITIVE,
    metavar="MM",
    help="Edge of a PA image (by default 140) or height of a lateral one (by default drawn, 165 to 250).",
)
@click.option("--spacing", "spacing_mm", type=_POSITIVE, metavar="MM", help="Pixel size of PA images; by default 0.3.")
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


@cli.command("prepare-crops")
@click.option("--images", type=_PATH, required=True, help="Folder of the public crops; it is searched recursively.")
@click.option("--annotations", type=_PATH, required=True, help="The file kneel_oai_annotations.csv of KNEEL.")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for images/ and landmarks.csv.")
def prepare_crops(images: Path, annotations: Path, output: Path) -> int:
    """Put the public knee crops and KNEEL's annotations together.

    The crops: doi 10.17632/56rmx5bjcr.1. The annotations: Tiulpin et al., doi 10.1109/ICCVW.2019.00046.
    """
    from kneebundle.datasets.crops import prepare_crops as prepare

    errors = prepare(images, annotations, output)
    click.echo(f"data set in {output}; {len(errors)} crops could not be had")
    return _report_errors(errors, output)


@cli.command("prepare-oai")
@click.option("--oai-dir", type=_PATH, required=True, help="Folder of the OAI, with contents.csv.")
@click.option("--annotations", type=_PATH, required=True, help="The file kneel_oai_annotations.csv of KNEEL.")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for stage1/ and stage2/.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of processes.")
def prepare_oai(oai_dir: Path, annotations: Path, output: Path, workers: int) -> int:
    """Make training data of the OAI's radiographs and KNEEL's annotations.

    stage1/ gets 1 mm halves with joint centres, stage2/ regions of 140 x 140 mm at 0.3 mm with 16 landmarks. Run again,
    it resumes where it stopped.
    """
    from kneebundle.datasets.oai import prepare_oai as prepare

    summary = prepare(oai_dir, annotations, output, workers, progress=True)
    click.echo(f"{summary.done} knees done, {summary.done_before} done before, {len(summary.errors)} films refused")
    return _report_errors(summary.errors, output)


@cli.command()
@click.option("--bundles", "folder", type=_PATH, help="List the bundles of this folder, not the installed ones.")
def bundles(folder: Path | None) -> None:
    """List the bundles with their versions and the sha256 of their weights."""
    from kneebundle.bundles import list_bundles

    for bundle in list_bundles(folder):
        click.echo(f"{bundle.name} {bundle.version}")
        for name, digest in bundle.weights:
            click.echo(f"  models/{name}  sha256 {digest}")
        if not bundle.weights:
            click.echo("  no weights: train it, or install a release that carries them")


@cli.command()
@click.argument("names", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the files; it is made if it is not there.")
@click.option("--url", help="Address that the files will be put at; by default that of the Model Zoo.")
@click.option("--overwrite", is_flag=True, help="Pack a version again even if its content has changed.")
def pack(names: tuple[str, ...], output: Path, url: str | None, overwrite: bool) -> None:
    """Pack bundles as the MONAI Model Zoo publishes them.

    BUNDLE is the name of an installed bundle, or a folder. OUT gets <name>_v<version>.zip, which runs without this
    package installed, and its entry in model_info.json.
    """
    from kneebundle.zoo.pack import MODEL_ZOO, find_bundle, pack_bundle

    for name in names:
        packed = pack_bundle(find_bundle(name), output, url or MODEL_ZOO, overwrite)
        click.echo(f"{packed.path}  sha256 {packed.sha256}  ({packed.package_files} files of kneebundle inside)")


@cli.command()
@click.argument("names", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the files; it is made if it is not there.")
@click.option(
    "--formats",
    type=_Names(_RUNTIMES),
    default=",".join(_RUNTIMES),
    show_default=True,
    help="What to write; onnx needs pip install kneebundle[onnx].",
)
@click.option("--weights", type=_PATH, help="Export these weights, not models/model.pt of the bundle.")
@click.option("--folds", is_flag=True, help="Export the networks of cross-validation, too: models/model_fold*.pt.")
@click.option(
    "--opset", type=click.IntRange(17, 20), default=18, show_default=True, help="Version of the ONNX operators."
)
def export(
    names: tuple[str, ...], output: Path, formats: tuple[str, ...], weights: Path | None, folds: bool, opset: int
) -> None:
    """Write the networks of bundles for other runtimes, as TorchScript and ONNX.

    BUNDLE is the name of an installed bundle, a folder, or all. OUT gets <bundle>.ts and <bundle>.onnx, whose input is
    called image and whose output pred. A file whose output differs from that of the network is not written.
    """
    if weights is not None and (len(names) > 1 or names == ("all",)):
        raise click.UsageError("--weights are those of one bundle; give its name")
    from kneebundle.bundles import list_bundles
    from kneebundle.zoo.export import export_bundle
    from kneebundle.zoo.pack import find_bundle

    for root in [b.root for b in list_bundles()] if names == ("all",) else [find_bundle(name) for name in names]:
        for file in export_bundle(root, output, formats, weights, folds, opset):
            click.echo(f"{file.path}  differs from the network by {file.difference:.1e}")


@cli.command("label-app")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the app; it must be new.")
@click.option("--overwrite", is_flag=True, help="Bring an app up to date; the weights that it trained stay.")
def label_app(output: Path, overwrite: bool) -> None:
    """Write an app for MONAI Label, with the bundles it serves.

    README.md in the app's folder says what to install and how to start it.
    """
    from kneebundle.label_app.folder import write_app

    write_app(output, overwrite)
    click.echo(f"app in {output}; {output / 'README.md'} says how to start it")


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


def _list_requests(
    paths: Sequence[Path], manifest: Path | None, output: Path, known: dict[str, Any]
) -> list[ImageRequest]:
    from kneebundle.batch.manifest import find_requests, read_manifest

    return find_requests(paths, output, **known) if manifest is None else read_manifest(manifest, output, **known)


def _choose_engine(name: str, address: str | None, actors: int | None, device: str) -> Engine:
    if name == "ray":
        from kneebundle.batch.ray_engine import RayEngine

        return RayEngine(address, actors, device)
    from kneebundle.batch.local_engine import LocalEngine

    return LocalEngine()


def _report_errors(errors: Sequence[tuple[str, str]], output: Path) -> int:
    """Print one line for each error, up to a few; gives the exit code."""
    for path, reason in errors[:10]:
        click.echo(f"refused {path}: {reason}", err=True)
    if errors:
        click.echo(f"all refusals: {output / 'errors.csv'}", err=True)
    return 1 if errors else 0


def _parse_landmarks(text: str) -> list[int]:
    if text.strip() == "all":
        return list(range(_LANDMARKS))
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) < _LANDMARKS for part in parts):
        raise click.UsageError(
            f"--landmarks is {text!r}; numbers from 0 to {_LANDMARKS - 1} joined by commas are needed"
        )
    return list(dict.fromkeys(int(part) for part in parts))
