"""What all formats are read to and written from: the document of a radiograph's JSON file, and its points as a list.

A document is what :func:`kneebundle.reports.json_report.to_document` makes, schema ``kneebundle/landmarks/1``. One that
was read from another format has the same keys; it has no measurements, flags or models where that format has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import CORTEX_LINE, KNEE_LATERAL, KNEE_PA
from kneebundle.reports.json_report import SCHEMA
from kneebundle.reports.points import round_value

__all__ = [
    "LATERAL_NAMES",
    "Document",
    "ImageFacts",
    "Mark",
    "check_known",
    "list_marks",
    "make_document",
    "merge_documents",
    "parse_label",
    "read_facts",
    "tidy",
]

Document = dict[str, Any]

_SCHOETTLE = "schoettle_point"
LATERAL_NAMES = (*KNEE_LATERAL.names, _SCHOETTLE, *CORTEX_LINE)
"""The points of a lateral film, by their ids in tables; the cortex line is there where people marked it."""
_ROI_MM = 140.0
_LABEL = re.compile(r"(?:([RL])[\s_-]+)?(\w+)")
_DECIMALS = 6


def tidy(value: float) -> float:
    """Round a coordinate in px to six decimals, so that there and back again leaves it as it was."""
    return round(float(value), _DECIMALS) + 0.0


@dataclass(frozen=True)
class Mark:
    """A point that was found or marked.

    Attributes:
        side: ``"R"`` or ``"L"``; None where a lateral film does not say.
        name: of :data:`~kneebundle.landmarks.KNEE_PA` or of :data:`LATERAL_NAMES`.
        x, y: in pixels of the image as it is stored, pixel centres at integers.
        confidence: in [0, 1]; None: not known.
        radius_mm: within which the true point lies in 90 of 100 cases; of the Schoettle point the radius of its circle;
            None: not known.

    Example:
        >>> Mark("R", "tibia_center", 10.5, 20.0).label
        'R tibia_center'
        >>> Mark(None, "p_blum", 10.5, 20.0).label
        'p_blum'
    """

    side: str | None
    name: str
    x: float
    y: float
    confidence: float | None = None
    radius_mm: float | None = None

    @property
    def is_lateral(self) -> bool:
        """Whether it is a point of a lateral film."""
        return self.name in LATERAL_NAMES

    @property
    def id(self) -> int:
        """Its number among the points of its view."""
        return (LATERAL_NAMES if self.is_lateral else KNEE_PA.names).index(self.name)

    @property
    def label(self) -> str:
        """Side and name, as a point is called in programs that know labels only."""
        return self.name if self.side is None else f"{self.side} {self.name}"


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image: as ``image`` of a document; None where it is not known.

    Attributes:
        path: of the file.
        rows, columns: as stored.
        spacing_mm: (row, column), as stored.
        spacing_source: what the spacing rests on.
        view: ``"pa-bilateral"``, ``"pa-single"`` or ``"lateral"``.
        sop_instance_uid: of a DICOM image.
        notes: remarks on how it was read.
    """

    path: str
    rows: int | None = None
    columns: int | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None
    view: str | None = None
    sop_instance_uid: str | None = None
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """The value of ``image`` in a document."""
        return {
            "path": self.path,
            "sop_instance_uid": self.sop_instance_uid,
            "rows": self.rows,
            "columns": self.columns,
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "spacing_source": self.spacing_source,
            "view": self.view,
            "notes": list(self.notes),
        }


def read_facts(document: Mapping[str, Any]) -> ImageFacts:
    """Read what a document says of its image."""
    image = document["image"]
    spacing = image.get("spacing_mm")
    return ImageFacts(
        path=str(image["path"]),
        rows=image.get("rows"),
        columns=image.get("columns"),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        spacing_source=image.get("spacing_source"),
        view=image.get("view"),
        sop_instance_uid=image.get("sop_instance_uid"),
        notes=tuple(image.get("notes", ())),
    )


def list_marks(document: Mapping[str, Any]) -> list[Mark]:
    """List the points of a document by knee, the right one first, and by id."""
    marks = []
    for knee in document.get("knees", ()):
        marks += [_read_mark(point, knee["side"]) for point in knee["landmarks"]]
    if "planning" in document:
        planning = document["planning"]
        marks += [_read_mark(point, planning["side"]) for point in planning["landmarks"]]
        point = planning.get("schoettle_point")
        if point is not None:
            marks.append(_read_mark({**point, "name": _SCHOETTLE}, planning["side"]))
    return sorted(marks, key=lambda mark: (mark.side == "L", mark.id))


def _read_mark(point: Mapping[str, Any], side: str | None) -> Mark:
    if point["name"] not in (*KNEE_PA.names, *LATERAL_NAMES):
        raise KneeBundleError(f"there is no landmark {point['name']!r}; names such as tibia_center are needed")
    if side not in ("R", "L", None):
        raise KneeBundleError(f"a side is {str(side)[:20]!r}; R or L is needed")
    further = [None if point.get(name) is None else float(point[name]) for name in ("confidence", "radius_mm")]
    return Mark(side, str(point["name"]), float(point["x_px"]), float(point["y_px"]), *further)


def parse_label(label: str, default_side: str | None = None) -> tuple[str | None, str] | None:
    """Parse side and name of a label, such as ``R tibia_center``; None for one that is no landmark's.

    Example:
        >>> parse_label("L femur_center"), parse_label("p_blum"), parse_label("F-1")
        (('L', 'femur_center'), (None, 'p_blum'), None)
    """
    match = _LABEL.fullmatch(label.strip())
    if match is None or match[2] not in (*KNEE_PA.names, *LATERAL_NAMES):
        return None
    return match[1] or default_side, match[2]


def check_known(found: int, marks: Sequence[Mark], path: object) -> None:
    """Check that of the points in a file some are landmarks; none at all may be right, for a knee without any.

    Raises:
        KneeBundleError: if there are points, but no landmark.
    """
    if found and not marks:
        raise KneeBundleError(
            f"none of its {found} points is called like a landmark; names such as 'R tibia_center' are needed",
            str(path),
        )


def make_document(facts: ImageFacts, marks: Sequence[Mark], models: Sequence[Mapping[str, Any]] = ()) -> Document:
    """Make the document of an image with points.

    Raises:
        KneeBundleError: if a point is there twice, is not finite or has no side, or if points of a lateral film and of
            one from the front are mixed.
    """
    _check_marks(facts, marks)
    lateral = any(mark.is_lateral for mark in marks) or (not marks and facts.view == "lateral")
    return {
        "schema": SCHEMA,
        "image": facts.to_dict(),
        "models": [dict(model) for model in models],
        **({"planning": _make_planning(facts, marks)} if lateral else {"knees": _make_knees(facts, marks)}),
        "flags": [],
    }


def _check_marks(facts: ImageFacts, marks: Sequence[Mark]) -> None:
    seen = set()
    for mark in marks:
        if not (math.isfinite(mark.x) and math.isfinite(mark.y)):
            raise KneeBundleError(f"{mark.label} is not at a finite place; leave out what is missing", facts.path)
        if not mark.is_lateral and mark.side not in ("R", "L"):
            raise KneeBundleError(f"nothing says of which knee {mark.name} is; R or L is needed", facts.path, "side")
        if mark.label in seen:
            raise KneeBundleError(f"{mark.label} is there twice; keep one", facts.path)
        seen.add(mark.label)
    if len({mark.is_lateral for mark in marks}) > 1:
        raise KneeBundleError("it has points of a lateral film and of one from the front; keep one kind", facts.path)


def _make_knees(facts: ImageFacts, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    knees: list[dict[str, Any]] = []
    for side in ("R", "L"):
        own = sorted((mark for mark in marks if mark.side == side), key=lambda mark: mark.id)
        if own:
            knees.append(
                {
                    "side": side,
                    "center_px": _find_center(own),
                    "roi_mm": _ROI_MM,
                    "landmarks": [_make_point(mark, facts) for mark in own],
                    "measurements": {},
                    "flags": [],
                    "quality": {},
                }
            )
    return knees


def _find_center(marks: Sequence[Mark]) -> list[float]:
    """The tibial centre or, without it, the middle of the points."""
    center = next((mark for mark in marks if mark.id == KNEE_PA.center), None)
    if center is not None:
        return [center.x, center.y]
    return [round_value(sum(values) / len(marks)) for values in zip(*((m.x, m.y) for m in marks), strict=True)]


def _make_planning(facts: ImageFacts, marks: Sequence[Mark]) -> dict[str, Any]:
    ordered = sorted(marks, key=lambda mark: mark.id)
    last = next((mark for mark in ordered if mark.name == _SCHOETTLE), None)
    point = None if last is None else {**_locate(last, facts), "radius_mm": last.radius_mm}
    return {
        "side": next((mark.side for mark in ordered if mark.side is not None), None),
        "landmarks": [_make_point(mark, facts) for mark in ordered if mark is not last],
        "lines": {},
        "schoettle_point": point,
        "measurements": {},
        "refused": None,
        "masks": {},
        "sphere": None,
    }


def _make_point(mark: Mark, facts: ImageFacts) -> dict[str, Any]:
    point = {"id": mark.id, "name": mark.name, **_locate(mark, facts), "confidence": mark.confidence}
    return point if mark.radius_mm is None else {**point, "radius_mm": mark.radius_mm}


def _locate(mark: Mark, facts: ImageFacts) -> dict[str, float | None]:
    row_mm, column_mm = facts.spacing_mm or (None, None)
    return {
        "x_px": mark.x,
        "y_px": mark.y,
        "x_mm": None if column_mm is None else round_value(mark.x * column_mm),
        "y_mm": None if row_mm is None else round_value(mark.y * row_mm),
    }


def merge_documents(documents: Iterable[Document]) -> list[Document]:
    """Merge what several files say of the same image; a document that is alone stays as it is.

    Raises:
        KneeBundleError: if a point of an image is there twice.
    """
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document["image"]["path"], []).append(document)
    return [
        group[0]
        if len(group) == 1
        else make_document(read_facts(group[0]), [mark for document in group for mark in list_marks(document)])
        for group in groups.values()
    ]
