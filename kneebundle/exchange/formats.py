"""The formats that landmarks are exchanged in: what each is called, how a file of it is known, read and written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.bonefinder import PointUnit, list_pts_files, read_pts, write_pts
from kneebundle.exchange.coco import read_coco, write_coco
from kneebundle.exchange.documents import Document, list_marks, make_document, read_facts
from kneebundle.exchange.gsps import read_gsps, write_gsps
from kneebundle.exchange.images import Images
from kneebundle.exchange.label_studio import read_label_studio, write_label_studio
from kneebundle.exchange.slicer import read_slicer
from kneebundle.exchange.structured_report import read_structured_report
from kneebundle.exchange.tables import LANDMARK_KEYS, TRUTH_KEYS, read_landmark_table, read_truth, write_truth
from kneebundle.exchange.via import read_via_csv, read_via_json, write_via_csv, write_via_json
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.reports.csv_tables import write_landmarks
from kneebundle.reports.dicom_sr import write_structured_report
from kneebundle.reports.json_report import SCHEMA, write_document
from kneebundle.reports.slicer_markups import write_markups

__all__ = ["FORMATS", "Context", "Format", "detect_format", "list_files", "read_file", "write_image"]

_GSPS_CLASSES = ("1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2")
_SR_CLASSES = ("1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34")


@dataclass(frozen=True)
class Context:
    """What reading and writing rest on besides the file.

    Attributes:
        images: where the images may be.
        pts_unit: of BoneFinder's points.
        pseudonyms: that stand for identities in DICOM objects; None: these are taken over from the image.
    """

    images: Images = field(default_factory=Images)
    pts_unit: PointUnit = "px"
    pseudonyms: Pseudonyms | None = None


_Reader = Callable[[Path, Context], list[Document]]
_Writer = Callable[[Sequence[Document], Path, Context], Sequence[str] | None]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: what it is, for people.
        ending: of the names of its files.
        per_image: whether a file is about one image; else one file is about all of them.
        read: a file to documents.
        write: documents, one where a file is about one image, to a file; gives what was left out.
    """

    title: str
    ending: str
    per_image: bool
    read: _Reader
    write: _Writer


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise KneeBundleError(f"it cannot be read as JSON ({in_brief(error)})", path) from error


def _read_json(path: Path, context: Context) -> list[Document]:
    document = _load(path)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA or not {"knees", "planning"} & set(document):
        raise KneeBundleError(f"not the JSON of a prediction, schema {SCHEMA}", path)
    try:
        make_document(read_facts(document), list_marks(document))
    except KneeBundleError as error:
        raise KneeBundleError(error.reason, path, error.field) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise KneeBundleError(f"a point or the image is not as in a prediction ({in_brief(error)})", path) from error
    return [document]


def _write_slicer(documents: Sequence[Document], path: Path, context: Context) -> None:
    source = context.images.demand(documents[0], "markups are placed by it")
    facts = context.images.complete(read_facts(documents[0]))
    write_markups({**documents[0], "image": facts.to_dict()}, source, path)


def _write_sr(documents: Sequence[Document], path: Path, context: Context) -> None:
    document = documents[0]
    source = context.images.demand(document, "a structured report refers to it")
    facts = context.images.complete(read_facts(document))
    write_structured_report({**document, "image": facts.to_dict()}, source, path, context.pseudonyms)


def _write_gsps(documents: Sequence[Document], path: Path, context: Context) -> None:
    source = context.images.demand(documents[0], "a presentation state refers to it")
    facts = context.images.complete(read_facts(documents[0]))
    write_gsps({**documents[0], "image": facts.to_dict()}, source, path, context.pseudonyms)


def _write_pts(documents: Sequence[Document], path: Path, context: Context) -> None:
    facts = context.images.complete(read_facts(documents[0]))
    write_pts({**documents[0], "image": facts.to_dict()}, path, context.pts_unit)


FORMATS: Mapping[str, Format] = {
    "json": Format("kneebundle's JSON", ".json", True, _read_json, lambda d, path, c: write_document(d[0], path)),
    "csv": Format(
        "kneebundle's landmarks.csv",
        ".csv",
        False,
        lambda path, c: read_landmark_table(path, c.images),
        lambda d, path, c: write_landmarks(d, path),
    ),
    "truth": Format(
        "labels for kneebundle evaluate",
        ".csv",
        False,
        lambda path, c: read_truth(path, c.images),
        lambda d, path, c: write_truth(d, path, c.images),
    ),
    "slicer": Format(
        "markups of 3D Slicer",
        ".mrk.json",
        True,
        lambda path, c: read_slicer(_load(path), path, c.images),
        _write_slicer,
    ),
    "via": Format(
        "CSV of VGG Image Annotator",
        "_via.csv",
        False,
        lambda path, c: read_via_csv(path, c.images),
        lambda d, path, c: write_via_csv(d, path, c.images),
    ),
    "via-json": Format(
        "project of VGG Image Annotator",
        "_via.json",
        False,
        lambda path, c: read_via_json(_load(path), path, c.images),
        lambda d, path, c: write_via_json(d, path, c.images),
    ),
    "pts": Format(
        "points of BoneFinder", ".pts", True, lambda path, c: read_pts(path, c.images, c.pts_unit), _write_pts
    ),
    "coco": Format(
        "COCO keypoints",
        "_coco.json",
        False,
        lambda path, c: read_coco(_load(path), path, c.images),
        lambda d, path, c: write_coco(d, path, c.images),
    ),
    "label-studio": Format(
        "tasks of Label Studio",
        "_label_studio.json",
        False,
        lambda path, c: read_label_studio(_load(path), path, c.images),
        lambda d, path, c: write_label_studio(d, path, c.images),
    ),
    "sr": Format(
        "DICOM structured report",
        "_sr.dcm",
        True,
        lambda path, c: read_structured_report(path, c.images),
        _write_sr,
    ),
    "gsps": Format(
        "DICOM presentation state", "_gsps.dcm", True, lambda path, c: read_gsps(path, c.images), _write_gsps
    ),
}
"""By the name that ``kneebundle convert`` and ``kneebundle predict`` know them by."""


def detect_format(path: Path) -> str | None:
    """Detect the format of a file by its content; None where it is none of :data:`FORMATS`."""
    suffix = path.suffix.lower()
    if suffix == ".pts":
        return "pts"
    if suffix == ".csv":
        return _detect_table(path)
    if suffix == ".json":
        return _detect_json(path)
    return _detect_dicom(path)


def _detect_table(path: Path) -> str | None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header = {name.strip().lstrip("#") for name in next(csv.reader(stream), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    kinds = (("via", ("region_shape_attributes",)), ("truth", TRUTH_KEYS), ("csv", LANDMARK_KEYS))
    return next((name for name, keys in kinds if header.issuperset(keys)), None)


def _detect_json(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    if isinstance(content, list):
        tasks = content and all(isinstance(task, dict) and "data" in task for task in content)
        return "label-studio" if tasks else None
    if not isinstance(content, dict):
        return None
    if "schema" in content:
        return "json" if content["schema"] == SCHEMA else None
    if "markups" in content:
        return "slicer"
    if {"images", "annotations", "categories"}.issubset(content):
        return "coco"
    entries = content.get("_via_img_metadata", content)
    if isinstance(entries, dict) and entries and all(isinstance(e, dict) and "regions" in e for e in entries.values()):
        return "via-json"
    return "via-json" if "_via_img_metadata" in content else None


def _detect_dicom(path: Path) -> str | None:
    from pydicom import dcmread

    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except Exception:
        return None
    kind = str(header.get("SOPClassUID", ""))
    return "gsps" if kind in _GSPS_CLASSES else "sr" if kind in _SR_CLASSES else None


def read_file(path: Path, name: str | None, context: Context) -> list[Document]:
    """Read a file of exchanged landmarks.

    Args:
        path: of the file.
        name: of its format; None: to be detected.
        context: where its images may be.

    Raises:
        KneeBundleError: if it is none, or what is in it cannot be used.
    """
    if not path.is_file():
        raise KneeBundleError("there is no such file; check the path", path)
    known = name or detect_format(path)
    if known is None:
        titles = ", ".join(form.title for form in FORMATS.values())
        raise KneeBundleError(f"no landmarks in a known format ({titles})", path, "format")
    return FORMATS[known].read(path, context)


def list_files(name: str, document: Document, stem: str) -> list[str]:
    """List the names of the files that :func:`write_image` writes: none where there is no point."""
    if not list_marks(document):
        return [f"{stem}{FORMATS[name].ending}"] if name == "json" else []
    if name == "pts":
        return [file.name for file in list_pts_files(document, Path(f"{stem}.pts"))]
    return [f"{stem}{FORMATS[name].ending}"]


def write_image(name: str, document: Document, folder: Path, stem: str, context: Context) -> None:
    """Write one image's landmarks in a format, with the names of :func:`list_files`, each file atomically.

    Args:
        name: of :data:`FORMATS`.
        document: of the image; nothing is written where it has no point.
        folder: where to.
        stem: what the names begin with.
        context: where the image is.
    """
    if list_files(name, document, stem):
        FORMATS[name].write([document], folder / f"{stem}{FORMATS[name].ending}", context)
