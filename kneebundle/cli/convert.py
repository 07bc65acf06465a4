"""The command convert: landmarks from one format to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kneebundle.cli.options import PATH, POSITIVE

if TYPE_CHECKING:
    from kneebundle.exchange import Context

# spelled out, so that the command's help needs none of the formats; a test holds them alike
NAMES = ("json", "csv", "truth", "slicer", "via", "via-json", "pts", "coco", "label-studio", "sr", "gsps")
CORRECTIONS = "corrections"
_ENDINGS = {".mrk.json": "slicer", ".pts": "pts", "_sr.dcm": "sr", "_gsps.dcm": "gsps", "_via.csv": "via"}
_ENDINGS |= {"_via.json": "via-json", "_coco.json": "coco", "_label_studio.json": "label-studio"}
_ENDINGS |= {"landmarks.csv": "csv", "truth.csv": "truth"}


@click.command()
@click.argument("source", metavar="IN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option("--to", "target", type=click.Choice(NAMES), help="Format to write; if nobody says, the name of OUT does.")
@click.option(
    "--from",
    "kind",
    type=click.Choice((*NAMES, CORRECTIONS)),
    help=f"Format of IN; if nobody says, its content does. {CORRECTIONS}: what kneebundle annotate saved.",
)
@click.option(
    "--images",
    type=PATH,
    multiple=True,
    help="Folder or file of the radiographs. Slicer, sr and gsps need them; others take from them what is not stated.",
)
@click.option("--spacing", "spacing_mm", type=POSITIVE, metavar="MM", help="Pixel size of images that state none.")
@click.option(
    "--pts-unit",
    type=click.Choice(("px", "mm")),
    default="px",
    show_default=True,
    help="Unit of .pts files; BoneFinder writes mm for DICOM images.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def convert(
    source: Path,
    output: Path,
    target: str | None,
    kind: str | None,
    images: tuple[Path, ...],
    spacing_mm: float | None,
    pts_unit: str,
    overwrite: bool,
) -> None:
    """Convert landmarks from one format to another.

    IN is a file, or a folder such as the output folder of kneebundle predict. OUT is a file or, for the formats with a
    file for each image (json, slicer, pts, sr, gsps), a folder. The documentation says which format carries what.
    """
    from kneebundle.batch.names import output_names
    from kneebundle.exchange import FORMATS, Context, Images
    from kneebundle.io.writing import write_together

    chosen = target or _guess_target(output, source)
    context = Context(
        Images(images, spacing_mm, [source if source.is_dir() else source.parent], output_names),
        "mm" if pts_unit == "mm" else "px",
    )
    documents = _read(source, kind, context)
    if FORMATS[chosen].per_image and len(documents) > 1 and _is_file_name(output, chosen):
        raise click.UsageError(
            f"IN has {len(documents)} images and {chosen} is a file for each; give a folder as OUT, not {output}"
        )
    if FORMATS[chosen].per_image and not (len(documents) == 1 and _is_file_name(output, chosen)):
        written = _write_each(documents, output, chosen, context, overwrite)
        click.echo(f"{written} files in {output}")
        return
    _refuse_existing([output], overwrite)
    with write_together(output.parent) as aside:
        left_out = FORMATS[chosen].write(documents, aside / output.name, context) or ()
        if len(left_out) == len(documents):
            title = FORMATS[chosen].title
            raise click.UsageError(f"{title} have no place for what is in {source}; choose another --to")
    for path in left_out:
        click.echo(f"left out {path}: {FORMATS[chosen].title} have no place for it", err=True)
    click.echo(f"{len(documents) - len(left_out)} images in {output}")


def _guess_target(output: Path, source: Path) -> str:
    found = next((name for ending, name in _ENDINGS.items() if output.name.lower().endswith(ending)), None)
    if found is None and output.suffix.lower() == ".json":
        found = "json"
    if found is None and output.suffix.lower() == ".csv":
        found = "csv"
    if found is None:
        raise click.UsageError(f"say with --to what {output} is to be: one of {', '.join(NAMES)}")
    return found


def _is_file_name(output: Path, name: str) -> bool:
    suffix = {"sr": ".dcm", "gsps": ".dcm", "pts": ".pts"}.get(name, ".json")
    return not output.is_dir() and output.suffix.lower() == suffix


def _read(source: Path, kind: str | None, context: Context) -> list[dict]:
    from kneebundle.errors import KneeBundleError
    from kneebundle.exchange import merge_documents, read_file

    if kind == CORRECTIONS:
        return _read_corrections(source)
    files = [source] if not source.is_dir() else _list_files(source, kind)
    documents = merge_documents(document for file in files for document in read_file(file, kind, context))
    if not documents:
        raise KneeBundleError("no image is in it", source)
    return documents


def _read_corrections(source: Path) -> list[dict]:
    """What people decided on in ``kneebundle annotate``: the points of accepted and corrected knees."""
    import numpy as np

    from kneebundle.annotation import read_correction, read_corrections
    from kneebundle.exchange import Mark, make_document, read_facts
    from kneebundle.landmarks import KNEE_PA, LATERAL_POINTS

    found = read_corrections(source) if source.is_dir() else [read_correction(source)]
    documents = []
    for correction in found:
        if correction is None:
            continue
        names = KNEE_PA.names if correction.lateral is None else LATERAL_POINTS
        marks = [
            Mark(item.side, name, float(x), float(y))
            for item in correction.items
            if item.is_decided and item.points is not None
            for name, (x, y) in zip(names, item.points, strict=True)
            if np.isfinite([x, y]).all()
        ]
        documents.append(make_document(read_facts({"image": correction.image}), marks))
    return documents


def _list_files(folder: Path, kind: str | None) -> list[Path]:
    """The files of a folder in one format; the JSON files of a prediction go before what was made of them."""
    from kneebundle.errors import KneeBundleError
    from kneebundle.exchange import detect_format

    found: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        name = None if hidden or not file.is_file() else detect_format(file)
        if name is not None:
            found.setdefault(name, []).append(file)
    if not found and (folder / ".records").is_dir():  # of a prediction that wrote neither JSON nor CSV
        found["json"] = sorted((folder / ".records").glob("*.json"))
    if kind is None and len(found) > 1 and "json" not in found:
        raise KneeBundleError(f"files of several formats ({', '.join(found)}); one is needed", folder, "format")
    chosen = kind or ("json" if "json" in found else next(iter(found), None))
    if chosen not in found:
        raise KneeBundleError(f"no file with landmarks{'' if kind is None else f' in the format {kind}'}", folder)
    return found[chosen]


def _write_each(documents: Sequence[dict], folder: Path, name: str, context: Context, overwrite: bool) -> int:
    """Write a file for each image that has points; gives how many."""
    from kneebundle.batch.names import output_names
    from kneebundle.errors import KneeBundleError
    from kneebundle.exchange import list_files, write_image
    from kneebundle.io.writing import write_together

    if folder.exists() and not folder.is_dir():
        raise KneeBundleError("this is a file, and a folder is needed", folder, "folder")
    stems = output_names([Path(document["image"]["path"]) for document in documents])
    files = [list_files(name, document, stem) for document, stem in zip(documents, stems, strict=True)]
    _refuse_existing([folder / file for own in files for file in own], overwrite)
    with write_together(folder) as aside:
        for document, stem in zip(documents, stems, strict=True):
            write_image(name, document, aside, stem, context)
    return sum(map(len, files))


def _refuse_existing(files: Sequence[Path], overwrite: bool) -> None:
    from kneebundle.errors import KneeBundleError

    there = next((file for file in files if file.exists()), None)
    if there is not None and not overwrite:
        raise KneeBundleError("it is there already", there, "overwrite")
