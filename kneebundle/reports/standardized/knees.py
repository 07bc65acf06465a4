"""Standardise the knees of a radiograph: which of them, how they lie, their files and a JSON document about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import Radiograph
from kneebundle.reports.standardized.pictures import PICTURE_SUFFIXES, GreyScale, choose_grey_scale, write_picture
from kneebundle.reports.standardized.placement import KneePlacement, StandardGrid, place_knee, place_lateral
from kneebundle.reports.standardized.regions import Region, RegionSizes, place_regions
from kneebundle.transforms.affine import resample_affine

__all__ = [
    "SCHEMA",
    "StandardSettings",
    "read_standardized",
    "write_knee_table",
    "write_region_table",
    "write_standardized",
]

SCHEMA = "kneebundle/standardized/1"

_AFFINE = tuple(f"a{row}{column}" for row in (1, 2) for column in (1, 2, 3))
_KNEE_COLUMNS = (
    "path",
    "side",
    "image",
    "left_out",
    "flags",
    "view",
    "rows",
    "columns",
    "spacing_mm",
    "turned_deg",
    "mirrored",
    "inside",
    "grey_slope",
    "grey_intercept",
    *_AFFINE,
    *KNEE_PA.columns,
)
_REGION_COLUMNS = (
    *("path", "side", "region", "image", "left_out", "x_px", "y_px", "width_px", "height_px"),
    *("width_mm", "height_mm", "spacing_mm", *_AFFINE),
)


@dataclass(frozen=True)
class StandardSettings:
    """How knees are standardised.

    Attributes:
        grid: spacing, size and mirroring.
        formats: of :data:`PICTURE_SUFFIXES`.
        bits: 8 or 16.
        regions: sizes of the boxes of subchondral bone; None: no boxes.
        keep_flagged: standardise knees with a flag too, if they have landmarks.
    """

    grid: StandardGrid = field(default_factory=StandardGrid)
    formats: tuple[str, ...] = ("png",)
    bits: int = 16
    regions: RegionSizes | None = None
    keep_flagged: bool = False

    def to_document(self) -> dict[str, Any]:
        """The settings as they stand in the JSON files."""
        regions = self.regions
        return {
            "spacing_mm": self.grid.spacing_mm,
            "size_mm": list(self.grid.size_mm),
            "mirror": self.grid.mirror,
            "formats": list(self.formats),
            "bits": self.bits,
            "regions": None if regions is None else [regions.width_mm, regions.subchondral_mm],
            "keep_flagged": self.keep_flagged,
        }


def write_standardized(
    document: Mapping[str, Any],
    radiograph: Radiograph,
    settings: StandardSettings,
    source: Path,
    record: Path,
    folder: Path,
    name: str,
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Write the standardised knees of a radiograph, and last a JSON document about them; each file atomically.

    Args:
        document: the prediction, of :func:`kneebundle.reports.json_report.to_document`.
        radiograph: that it is about.
        settings: how.
        source: the file of the radiograph.
        record: where the JSON document goes.
        folder: where the pictures go.
        name: what their names begin with.
        pseudonyms: that stand for the identities of the source in DICOM pictures.

    Raises:
        KneeBundleError: if a DICOM picture cannot refer to its source.
    """
    writer = _Writer(radiograph, settings, source, folder, name, document["image"]["view"], pseudonyms)
    knees = [writer.write_knee(knee, flags) for knee, flags in _list_knees(document)]
    about = {
        "schema": SCHEMA,
        "image": {**document["image"], "path": radiograph.path, "sop_instance_uid": radiograph.sop_instance_uid},
        "settings": settings.to_document(),
        "knees": knees,
        "models": document["models"],
    }
    with write_atomically(record) as temporary:
        temporary.write_text(json.dumps(about, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_standardized(path: Path, settings: StandardSettings) -> dict[str, Any] | None:
    """Read a document of :func:`write_standardized`; None where there is none, or it was made with other settings."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    return document if document.get("settings") == settings.to_document() else None


def write_knee_table(documents: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write a row a knee, those that were left out too; columns image, side, spacing_mm and x0 .. y15 are labels.

    ``a11`` to ``a23`` take a pixel of the picture to the stored file: x' = a11 x + a12 y + a13,
    y' = a21 x + a22 y + a23.
    """
    write_table(
        path, _KNEE_COLUMNS, (_make_row(document, knee) for document in documents for knee in document["knees"])
    )


def write_region_table(documents: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write a row a region; x_px and y_px are its first column and row in the knee's picture."""
    write_table(path, _REGION_COLUMNS, (row for document in documents for row in _make_region_rows(document)))


def _list_knees(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Each knee of a document, or its planning, with the flags that concern it."""
    if "planning" in document:
        yield document["planning"], document["flags"]
    for knee in document.get("knees", ()):
        yield knee, [*document["flags"], *knee["flags"]]


def _find_obstacle(knee: Mapping[str, Any], messages: Sequence[str], calibrated: bool) -> str | None:
    """Why a knee cannot be standardised; None where it can."""
    if "schoettle_point" not in knee:
        complete = len(knee["landmarks"]) == len(KNEE_PA)
        return None if complete else "; ".join(messages) or "landmarks are missing"
    if not knee["schoettle_point"]:
        return str(knee["refused"] or "no Schoettle point was found")
    return None if calibrated else "the size of a pixel is not known"


@dataclass(frozen=True)
class _Writer:
    """Writes the pictures of the knees of one radiograph."""

    radiograph: Radiograph
    settings: StandardSettings
    source: Path
    folder: Path
    name: str
    view: str | None
    pseudonyms: Pseudonyms | None = None

    def write_knee(self, knee: Mapping[str, Any], flags: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Write the pictures of a knee, unless it is left out; gives what the JSON document says of it."""
        messages = [str(flag["message"]) for flag in flags]
        left_out = _find_obstacle(knee, messages, self.radiograph.is_calibrated)
        if left_out is None and messages and not self.settings.keep_flagged:
            left_out = "; ".join(messages)
        about = {"side": knee["side"], "flags": [flag["code"] for flag in flags], "left_out": left_out}
        if left_out is not None:
            return {**about, "files": {}, "regions": []}
        lateral = "schoettle_point" in knee
        grid = self.settings.grid
        placement = (place_lateral if lateral else place_knee)(knee, self.radiograph, grid)
        greys = resample_affine(self.radiograph.pixels, placement.to_displayed, grid.shape)
        points = placement.to_picture(np.array([[p["x_px"], p["y_px"]] for p in knee["landmarks"]]).reshape(-1, 2))
        stem = f"{self.name}_{knee['side'] or 'lateral'}"
        regions = []
        if self.settings.regions is not None and not lateral:
            regions = place_regions(points, grid.spacing_mm, self.settings.regions)
        scale = self._scale
        return {
            **about,
            "files": self._write(greys, stem, knee["side"], placement),
            "rows": grid.shape[0],
            "columns": grid.shape[1],
            "affine": [[float(v) for v in row] for row in placement.to_stored],
            "turned_deg": round(placement.turned_deg, 3),
            "mirrored": placement.mirrored,
            "inside": round(float(np.isfinite(greys).mean()), 4),
            "grey": {"bits": scale.bits, "slope": scale.slope, "intercept": scale.intercept},
            "landmarks": [
                {"id": p["id"], "name": p["name"], "x_px": round(float(x), 3), "y_px": round(float(y), 3)}
                for p, (x, y) in zip(knee["landmarks"], points, strict=True)
            ],
            "regions": [self._write_region(region, greys, stem, knee["side"], placement) for region in regions],
        }

    @cached_property
    def _scale(self) -> GreyScale:
        return choose_grey_scale(self.radiograph, self.settings.bits)

    def _write(self, greys: np.ndarray, stem: str, side: str | None, placement: KneePlacement) -> dict[str, str]:
        """Write a picture in all formats; gives the names of the files."""
        spacing = self.settings.grid.spacing_mm
        flipped = ", flipped left to right" if placement.mirrored else ""
        derivation = f"Turned by {placement.turned_deg:.1f} degrees, {spacing:g} mm a pixel{flipped} (kneebundle)"
        files = {kind: f"{stem}{PICTURE_SUFFIXES[kind]}" for kind in self.settings.formats}
        for file in files.values():
            write_picture(
                self.folder / file,
                greys,
                self._scale,
                spacing,
                self.source,
                side=side,
                view=self.view,
                orientation=placement.orientation,
                derivation=derivation,
                pseudonyms=self.pseudonyms,
            )
        return files

    def _write_region(
        self, region: Region, greys: np.ndarray, stem: str, side: str | None, placement: KneePlacement
    ) -> dict[str, Any]:
        """Write what the picture shows in a region, unless a part of it shows nothing."""
        box = {"name": region.name, "x_px": region.x, "y_px": region.y}
        box |= {"width_px": region.width, "height_px": region.height}
        if not region.is_inside(greys.shape):
            return {**box, "left_out": "reaches beyond the picture", "files": {}}
        piece = region.cut(greys)
        if not np.isfinite(piece).all():
            return {**box, "left_out": "reaches beyond the radiograph", "files": {}}
        return {**box, "left_out": None, "files": self._write(piece, f"{stem}_{region.name}", side, placement)}


def _make_row(document: Mapping[str, Any], knee: Mapping[str, Any]) -> list[Any]:
    path = document["image"]["path"]
    start = [path, knee["side"], next(iter(knee["files"].values()), None), knee["left_out"], " ".join(knee["flags"])]
    start.append(document["image"]["view"])
    if knee["left_out"] is not None:
        return [*start, *[None] * (len(_KNEE_COLUMNS) - len(start))]
    spacing = document["settings"]["spacing_mm"]
    numbers = [knee["rows"], knee["columns"], spacing, knee["turned_deg"], int(knee["mirrored"]), knee["inside"]]
    greys = [knee["grey"]["slope"], knee["grey"]["intercept"]]
    affine = [value for row in knee["affine"][:2] for value in row]
    points: list[Any] = [None] * len(KNEE_PA.columns)
    if document["image"]["view"] != "lateral":
        points = [value for point in knee["landmarks"] for value in (point["x_px"], point["y_px"])]
    return [*start, *numbers, *greys, *affine, *points]


def _make_region_rows(document: Mapping[str, Any]) -> Iterator[list[Any]]:
    spacing = document["settings"]["spacing_mm"]
    for knee in document["knees"]:
        for region in knee["regions"]:
            width, height = region["width_px"], region["height_px"]
            shift = np.array([[1, 0, region["x_px"]], [0, 1, region["y_px"]], [0, 0, 1]])
            affine = (np.array(knee["affine"]) @ shift)[:2].ravel().tolist()
            yield [
                *(document["image"]["path"], knee["side"], region["name"]),
                *(next(iter(region["files"].values()), None), region["left_out"]),
                *(region["x_px"], region["y_px"], width, height),
                *(round(width * spacing, 3), round(height * spacing, 3), spacing, *affine),
            ]
