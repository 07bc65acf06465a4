"""Halves of bilateral radiographs with the centre of their knee, for training the localization of the region."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from kneebundle.datasets.knees import FOLD_SEED, image_records, knee_records
from kneebundle.datasets.phantoms.bilateral import BilateralFilms, FilmTruth, KneeImage
from kneebundle.datasets.phantoms.crop_edges import shading_of, upright_grey
from kneebundle.datasets.phantoms.knee_pa import PhantomKnees
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import number_in, read_table
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.halves import film_half
from kneebundle.transforms.roi import image_center_mm

__all__ = ["KneeImages", "LoadHalfFilmd", "film_halves", "half_film_records", "knee_images"]

PHANTOM_KNEES = 40


class KneeImages(Sequence[KneeImage]):
    """Knees of records, read or drawn when they are asked for."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.records = records

    @property
    def sides(self) -> list[str]:
        """The side of each, known without reading it."""
        return ["RL"[r["phantom"] % 2] if "phantom" in r else r["side"] for r in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        record = self.records[index]
        if "phantom" in record:
            radiograph, landmarks, _ = PhantomKnees(record["phantom"] + 1, record["seed"], size_mm=110.0)[
                record["phantom"]
            ]
            return KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, self.sides[index])
        pixels = read_radiograph(record["image"], spacing_mm=record["spacing_mm"]).pixels
        pixels = upright_grey(pixels, inverted=bool(record["inverted"]), shading_px=shading_of(pixels.shape))
        return KneeImage(pixels, record["spacing_mm"], record["landmarks"], record["side"])


def knee_images(dataset_dir: str, section: str, fold: int = 0, folds: int = 5, seed: int = 0) -> KneeImages:
    """The single knees that films are made of: those of a section, or phantoms where ``dataset_dir`` is empty.

    Arguments as :func:`kneebundle.datasets.knees.knee_records`, with the same folds, so that both stages keep the same
    subjects apart.
    """
    return KneeImages(knee_records(dataset_dir, section, fold, folds, PHANTOM_KNEES, seed))


def half_film_records(
    dataset_dir: str, section: str, fold: int = 0, folds: int = 5, film_count: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """The halves of one section.

    Args:
        dataset_dir: a folder that ``kneebundle prepare-oai`` wrote for this stage (images/ with halves and landmarks.csv with
            image, side, spacing_mm, x0, y0), or one with single knees (see :func:`knee_records`), from which
            films are made; empty: films are made from phantoms.
        section: ``"training"`` or ``"validation"``.
        fold, folds: as in :func:`knee_records`.
        film_count: made films an epoch; a quarter as many for validation.
        seed: of the films; the folds are always the same.

    Returns:
        Records for :class:`LoadHalfFilmd`.
    """
    table = Path(dataset_dir) / "landmarks.csv"
    if dataset_dir and _has_one_landmark(table):
        return _prepared_halves(table, section, fold, folds)
    count = film_count if section == "training" else max(1, film_count // 4)
    knees = knee_images(dataset_dir, section, fold, folds, seed)
    film_seed = seed + (0 if section == "training" else 1_000_003)
    films = BilateralFilms(knees, count, film_seed, inverted=0.05, sides=knees.sides)
    return [{"films": films, "film": i, "side": side} for i in range(count) for side in ("R", "L")]


def _has_one_landmark(table: Path) -> bool:
    rows = read_table(table, []) if table.is_file() else []
    return bool(rows) and "x0" in rows[0] and "x1" not in rows[0]


def _prepared_halves(table: Path, section: str, fold: int, folds: int) -> list[dict[str, Any]]:
    from kneebundle.datasets.folds import subject_folds

    rows = read_table(table, ["image", "side", "spacing_mm", "subject_id", "kl", "x0", "y0"])
    grades = [int(number_in(row, "kl", line, table)) for line, row in enumerate(rows, start=2)]
    numbers = subject_folds([row["subject_id"] for row in rows], grades, folds=folds, seed=FOLD_SEED)
    records = []
    for line, (row, number) in enumerate(zip(rows, numbers, strict=True), start=2):
        if (number != fold) if section == "training" else (number == max(fold, 0)):
            spacing, x, y = (number_in(row, name, line, table) for name in ("spacing_mm", "x0", "y0"))
            record = {"image": str(table.parent / "images" / row["image"]), "side": row["side"], "spacing_mm": spacing}
            records.append({**record, "center_px": (x, y)})
    if not records:
        raise KneeBundleError(
            f"the table has no rows for {section} with fold {fold}; check the table or the fold", table
        )
    return records


def film_halves(
    dataset_dir: str, spacing_mm: float | None = None, output_dir: str | None = None
) -> list[dict[str, Any]]:
    """Both halves of every usable film below a folder, for inference; as :func:`kneebundle.datasets.knees.image_records`."""
    records = image_records(dataset_dir, spacing_mm, output_dir=output_dir)
    return [
        {"whole_film": r["image"], "spacing_mm": r["spacing_mm"], "side": side} for r in records for side in ("R", "L")
    ]


class LoadHalfFilmd(Transform):
    """Turn a record of :func:`half_film_records` or :func:`film_halves` into half a film.

    Gives ``image`` (MetaTensor (1, H, W)), ``image_spacing_mm``, ``side``, ``center_mm``, the middle of the half, ``path``,
    ``first_landmark`` (0 for the right half, 1 for the left) and, where it is known, ``landmarks`` (1, 2), the joint centre in mm;
    NaN in a half without its knee.
    """

    def __init__(self) -> None:
        self._last: tuple[Any, tuple[Radiograph, FilmTruth]] | None = None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        side = data["side"]
        d: dict[Hashable, Any] = {"side": side, "first_landmark": 0 if side == "R" else 1}
        if "films" in data:
            film, truth = self._film(data["films"], data["film"])
            center_px: Any = truth.centers_px.get(side, np.full(2, np.nan))
            d["path"] = f"film-{data['film']}"
        else:
            d["path"] = data["whole_film"] if "whole_film" in data else data["image"]
            film = read_radiograph(d["path"], spacing_mm=data["spacing_mm"])
            center_px = data.get("center_px")
        image = film.to_metatensor()
        if "films" in data or "whole_film" in data:
            image = film_half(image, side)
        if center_px is not None:
            d["landmarks"] = torch.from_numpy(film.px_to_mm(np.array([center_px])))
        return {**d, "image": image, "image_spacing_mm": film.spacing_mm, "center_mm": image_center_mm(image)}

    def _film(self, films: BilateralFilms, index: int) -> tuple[Radiograph, FilmTruth]:
        """A film, kept for its other half."""
        key = (id(films), index)
        if self._last is None or self._last[0] != key:
            self._last = (key, films[index])
        return self._last[1]
