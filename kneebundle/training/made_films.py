"""Bilateral films made of single knees, real or drawn, for training the localization of the region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kneebundle.datasets.knees import read_knees
from kneebundle.datasets.splits import check_split
from kneebundle.io.reading import read_radiograph
from kneebundle.phantoms.collection import phantom_records
from kneebundle.phantoms.pa.bilateral import BilateralFilms, KneeImage
from kneebundle.phantoms.pa.knee import PhantomKnees
from kneebundle.transforms.crop_edges import clean_crop, count_shaded_columns

__all__ = ["KneeImages", "knee_images", "made_film_records"]

_PHANTOM_KNEES = 40
_PHANTOM_SIZE_MM = 110.0
_SHARE_INVERTED = 0.05
_SEED_OF_VALIDATION = 1_000_003


class KneeImages(Sequence[KneeImage]):
    """The single knees of records, read or drawn when they are asked for.

    Args:
        records: of :func:`kneebundle.datasets.read_knees`, or of drawn knees.
    """

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.records = records

    @property
    def sides(self) -> list[str]:
        """The side of each, known without reading it."""
        return [r["drawn"].side(r["index"]) if "drawn" in r else r["side"] for r in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        record = self.records[index]
        if "drawn" in record:
            radiograph, landmarks, _ = record["drawn"][record["index"]]
            return KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, radiograph.side)
        pixels = read_radiograph(record["image"], spacing_mm=record["spacing_mm"]).pixels
        pixels = clean_crop(pixels, inverted=bool(record["inverted"]), shading_px=count_shaded_columns(pixels.shape))
        return KneeImage(pixels, record["spacing_mm"], record["landmarks"], record["side"])


def knee_images(dataset_dir: str, split: str, fold: int = 0, folds: int = 5, seed: int = 0) -> KneeImages:
    """List the single knees that films are made of: those of a split, or phantoms where ``dataset_dir`` is empty.

    The arguments are those of :func:`kneebundle.training.knee_records`, with the same folds, so that both stages keep
    the same subjects apart.
    """
    check_split(split, fold, folds)
    if dataset_dir:
        return KneeImages(read_knees(dataset_dir, split, fold, folds))
    return KneeImages(
        phantom_records(lambda count: PhantomKnees(count, seed, size_mm=_PHANTOM_SIZE_MM), split, _PHANTOM_KNEES)
    )


def made_film_records(
    dataset_dir: str, split: str, fold: int = 0, folds: int = 5, film_count: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """List the halves of films that are made of single knees.

    The arguments are those of :func:`kneebundle.training.half_film_records`.

    Returns:
        A record a half for :class:`kneebundle.datasets.LoadHalfFilmd`: drawn, index, side.
    """
    knees = knee_images(dataset_dir, split, fold, folds, seed)
    count = film_count if split == "training" else max(1, film_count // 4)
    film_seed = seed + (0 if split == "training" else _SEED_OF_VALIDATION)
    films = BilateralFilms(knees, count, film_seed, inverted=_SHARE_INVERTED, sides=knees.sides)
    return [{"drawn": films, "index": i, "side": side} for i in range(count) for side in ("R", "L")]
