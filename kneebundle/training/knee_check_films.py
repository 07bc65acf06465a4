"""Radiographs that the knee check learns from: a folder with films.csv, or drawn ones; and the windows of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform

from kneebundle.datasets.splits import check_split, split_records, subject_folds
from kneebundle.datasets.used_data import log_used_data
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import number_rows, parse_number, read_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.phantoms.lateral.collection import LateralKnees
from kneebundle.phantoms.pa.bilateral import KneeImage
from kneebundle.phantoms.pa.knee import PhantomKnees
from kneebundle.phantoms.pa.world import make_world_film
from kneebundle.training.film_windows import TrainingFilm, TrainingKnee, make_training_film, to_bytes
from kneebundle.training.knee_check_samples import KneeCheckSampler

__all__ = ["DrawCheckWindowd", "draw_check_films", "knee_check_records", "make_sampler", "read_check_films"]

KINDS = ("native", "implant", "none")
_HELD_OUT = 1_000_000
_COLUMNS = ("image", "subject_id", "spacing_mm", "kind", "side", "x_px", "y_px")


@log_used_data
def knee_check_records(
    dataset_dir: str, split: str, fold: int = 0, folds: int = 5, phantom_size: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """List the windows to draw: always the same ones for validation.

    Args:
        dataset_dir: a folder that :func:`read_check_films` can read; empty: drawn radiographs.
        split: ``"training"`` or ``"validation"``.
        fold: the one kept apart; -1 trains on everything, see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject.
        phantom_size: windows an epoch; validation has a quarter as many.
        seed: of drawn radiographs and of the windows for validation.

    Returns:
        A record a window for :class:`DrawCheckWindowd`.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    if dataset_dir:
        films = read_check_films(Path(dataset_dir), split, fold, folds)
    else:
        films = draw_check_films(phantom_size, seed, split)
    sampler = make_sampler(films)
    if split == "training":
        return [{"sampler": sampler, "window": None} for _ in range(phantom_size)]
    return [{"sampler": sampler, "window": (seed, _HELD_OUT + i)} for i in range(max(1, phantom_size // 4))]


def make_sampler(films: Sequence[TrainingFilm]) -> KneeCheckSampler:
    """Make a sampler over radiographs of all kinds.

    Raises:
        KneeBundleError: if all of them show a knee, or none does.
    """
    knees = [film for film in films if film.knees]
    others = [film for film in films if not film.knees]
    if not (knees and others):
        raise KneeBundleError(
            "radiographs with a knee and radiographs without are needed to learn the difference; add what is missing"
        )
    return KneeCheckSampler([(knees, 1.0)], [(knees, 1.0)], others)


def read_check_films(folder: Path, split: str, fold: int, folds: int) -> list[TrainingFilm]:
    """Read the radiographs of one split, at 1 mm.

    Args:
        folder: with images/ and ``films.csv``, a row a knee, or a row for a radiograph without: image, subject_id,
            spacing_mm, kind (native, implant or none), side (R, L or empty), x_px, y_px of the joint, and x0, y0 to
            x15, y15 where the landmarks of the knee are known.
        split: ``"training"`` or ``"validation"``.
        fold, folds: as of :func:`knee_check_records`.

    Raises:
        KneeBundleError: if the table or an image cannot be used.
    """
    table = folder / "films.csv"
    rows = read_table(table, _COLUMNS)
    records: list[dict[str, Any]]
    records = [{**row, "line": line, "number": _number_kind(row, table)} for line, row in number_rows(rows)]
    numbers = subject_folds([r["subject_id"] for r in records], [r["number"] for r in records], folds)
    by_image: dict[str, list[dict[str, Any]]] = {}
    for record in split_records(records, split, fold, folds, numbers.tolist(), table):
        by_image.setdefault(record["image"], []).append(record)
    return [_read_film(folder / "images" / name, members, table) for name, members in by_image.items()]


def _read_film(path: Path, records: Sequence[dict[str, Any]], table: Path) -> TrainingFilm:
    spacing = parse_number(records[0], "spacing_mm", records[0]["line"], table)
    knees = [(r["side"] or "?", r["kind"], _read_points(r, table)) for r in records if r["kind"] != "none"]
    return make_training_film(read_radiograph(path, spacing_mm=spacing), knees)


def _read_points(record: dict[str, Any], table: Path) -> np.ndarray:
    """(16, 2) landmarks where the row has them, else (1, 2) the joint."""
    columns = KNEE_PA.columns if record.get("x0") else ["x_px", "y_px"]
    return np.array([parse_number(record, column, record["line"], table) for column in columns]).reshape(-1, 2)


def _number_kind(row: Mapping[str, str], table: Path) -> int:
    if row["kind"] not in KINDS:
        raise KneeBundleError(f"kind is {row['kind']!r}; native, implant or none is needed, correct it", table)
    return KINDS.index(row["kind"])


def draw_check_films(count: int, seed: int, split: str) -> list[TrainingFilm]:
    """Draw a radiograph of knees, a hand and a lateral knee for every 16 windows, at most 40 of each.

    Args:
        count: windows an epoch.
        seed: another seed, other radiographs.
        split: validation has others than training.
    """
    first = 0 if split == "training" else _HELD_OUT
    number = max(2, min(count // 16, 40))
    knees = PhantomKnees(first + 2 * number + 2, seed, size_mm=110.0)
    films = []
    for i in range(number):
        rng = np.random.default_rng((seed, first + i))
        right, left = (_draw_knee(knees, first + 2 * i + k) if i % 3 != k else None for k in (0, 1))
        film = make_world_film(right, left, rng, replaced=float(i % 3 == 1), equalized=0.0)
        films.append(TrainingFilm(to_bytes(film.pixels), tuple(TrainingKnee(*knee) for knee in film.knees)))
        hand, _ = draw_hand(rng, 0.6)
        films.append(TrainingFilm(to_bytes(hand.pixels), ()))
    laterals = LateralKnees(number, seed + first)
    films += [TrainingFilm(to_bytes(laterals[i].image.astype(np.float32)), ()) for i in range(number)]
    return films


def _draw_knee(knees: PhantomKnees, index: int) -> KneeImage:
    radiograph, landmarks, _ = knees[index]
    return KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, knees.side(index))


class DrawCheckWindowd(RandomizableTransform):
    """Draw the window of a record of :func:`knee_check_records`.

    It gives ``image`` (1, 128, 128) and ``label`` (3,): the class, x and y of the joint.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a window, a new one each time in training."""
        window = data["window"]
        rng = np.random.default_rng(int(self.R.randint(2**31 - 1)) if window is None else window)
        sample = data["sampler"].draw(rng)
        label = torch.tensor([sample.label, *sample.offset], dtype=torch.float32)
        return {"image": sample.image[None].float(), "label": label}
