"""Halves of bilateral radiographs with the centre of their knee, for training the localization of the region."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from kneebundle.datasets.knees import image_records
from kneebundle.datasets.splits import check_split, split_records
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import number_rows, parse_number, read_table
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.halves import crop_half
from kneebundle.transforms.roi import image_center_mm

__all__ = ["LoadHalfFilmd", "film_halves", "holds_film_halves", "read_film_halves"]


def holds_film_halves(dataset_dir: str | Path) -> bool:
    """Whether a folder is a data set of halves: its landmarks.csv has one landmark, x0 and y0."""
    table = Path(dataset_dir) / "landmarks.csv"
    rows = read_table(table, []) if table.is_file() else []
    return bool(rows) and "x0" in rows[0] and "x1" not in rows[0]


def read_film_halves(dataset_dir: str | Path, split: str, fold: int = 0, folds: int = 5) -> list[dict[str, Any]]:
    """Read the halves of one split of a data set that ``kneebundle prepare-oai`` wrote for this stage.

    Args:
        dataset_dir: folder with images/ and landmarks.csv (image, side, spacing_mm, subject_id, kl, x0, y0).
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1: see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject and stratified by KL grade.

    Returns:
        A record a half for :class:`LoadHalfFilmd`: image (path), side, spacing_mm, center_px, subject_id, kl.

    Raises:
        KneeBundleError: if the table cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    table = Path(dataset_dir) / "landmarks.csv"
    rows = read_table(table, ["image", "side", "spacing_mm", "subject_id", "kl", "x0", "y0"])
    records = []
    for line, row in number_rows(rows):
        spacing, grade, x, y = (parse_number(row, name, line, table) for name in ("spacing_mm", "kl", "x0", "y0"))
        records.append(
            {
                "image": str(table.parent / "images" / row["image"]),
                "side": row["side"],
                "spacing_mm": spacing,
                "center_px": (x, y),
                "subject_id": row["subject_id"],
                "kl": int(grade),
            }
        )
    return split_records(records, split, fold, folds, path=table)


def film_halves(
    dataset_dir: str, spacing_mm: float | None = None, output_dir: str | None = None
) -> list[dict[str, Any]]:
    """List both halves of every readable film below a folder, for inference.

    Args:
        dataset_dir, spacing_mm, output_dir: as in :func:`kneebundle.datasets.image_records`.

    Returns:
        A record a half for :class:`LoadHalfFilmd`: whole_film (path), spacing_mm, side.

    Raises:
        KneeBundleError: if no image can be read.
    """
    records = image_records(dataset_dir, spacing_mm, output_dir=output_dir)
    return [
        {"whole_film": r["image"], "spacing_mm": r["spacing_mm"], "side": side} for r in records for side in ("R", "L")
    ]


class LoadHalfFilmd(Transform):
    """Load a half of a bilateral film, with the centre of its knee where that is known.

    Takes a record of :func:`read_film_halves` or :func:`film_halves`, or a drawn one (``drawn``, ``index`` and
    ``side``, where ``drawn[index]`` is a whole film and what is known of it). Gives ``image`` (MetaTensor (1, H, W)),
    ``image_spacing_mm``, ``side``, ``center_mm``, the middle of the half, ``path``, ``first_landmark`` (0 for the right
    half, 1 for the left) and, where it is known, ``landmarks`` (1, 2), the joint centre in mm; NaN in a half without
    its knee.
    """

    def __init__(self) -> None:
        self._last: tuple[Any, tuple[Radiograph, Any]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the last film: neither a loader's processes nor the name of a prepared item need it."""
        return {**self.__dict__, "_last": None}

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Load the half."""
        side = data["side"]
        d: dict[Hashable, Any] = {"side": side, "first_landmark": 0 if side == "R" else 1}
        if "drawn" in data:
            film, truth = self._draw(data["drawn"], data["index"])
            center_px: Any = truth.centers_px.get(side, np.full(2, np.nan))
            d["path"] = f"film-{data['index']}"
        else:
            d["path"] = data["whole_film"] if "whole_film" in data else data["image"]
            film = read_radiograph(d["path"], spacing_mm=data["spacing_mm"])
            center_px = data.get("center_px")
        image = film.to_metatensor()
        if "drawn" in data or "whole_film" in data:
            image = crop_half(image, side)
        if center_px is not None:
            d["landmarks"] = torch.from_numpy(film.px_to_mm(np.array([center_px])))
        return {**d, "image": image, "image_spacing_mm": film.spacing_mm, "center_mm": image_center_mm(image)}

    def _draw(self, films: Any, index: int) -> tuple[Radiograph, Any]:
        """A film, kept for its other half."""
        key = (id(films), index)
        if self._last is None or self._last[0] != key:
            self._last = (key, films[index])
        return self._last[1]
