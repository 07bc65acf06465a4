"""What a training is given: the records of a data set, or phantoms where there is none."""

from __future__ import annotations

from typing import Any

from kneebundle.datasets.films import holds_film_halves, read_film_halves
from kneebundle.datasets.hands import read_hands
from kneebundle.datasets.knees import read_knees
from kneebundle.datasets.lateral import read_lateral_films
from kneebundle.datasets.splits import check_split
from kneebundle.datasets.used_data import log_used_data
from kneebundle.phantoms.collection import phantom_records
from kneebundle.phantoms.hand.collection import PhantomHands
from kneebundle.phantoms.lateral.collection import LateralKnees
from kneebundle.phantoms.pa.knee import PhantomKnees
from kneebundle.training.made_films import made_film_records

__all__ = ["half_film_records", "hand_records", "knee_records", "lateral_records"]


@log_used_data
def knee_records(
    dataset_dir: str, split: str, fold: int = 0, folds: int = 5, phantom_size: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """List the knees of one split: those of a data set, or phantoms.

    Args:
        dataset_dir: folder with images/ and landmarks.csv (:func:`kneebundle.datasets.read_knees`); empty: phantoms.
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 trains on everything, see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject and stratified by KL grade.
        phantom_size: phantoms an epoch; validation has others, a quarter as many.
        seed: of the phantoms; the folds are always the same.

    Returns:
        A record a knee for :class:`kneebundle.datasets.LoadKneed`.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist.
        ValueError: for another split.

    Example:
        >>> from kneebundle.training import knee_records
        >>> [len(knee_records("", split, phantom_size=8)) for split in ("training", "validation")]
        [8, 2]
    """
    check_split(split, fold, folds)
    if dataset_dir:
        return read_knees(dataset_dir, split, fold, folds)
    return phantom_records(lambda count: PhantomKnees(count, seed), split, phantom_size)


@log_used_data
def half_film_records(
    dataset_dir: str, split: str, fold: int = 0, folds: int = 5, film_count: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """List the halves of bilateral films of one split: those of a data set, or of films made of single knees.

    Args:
        dataset_dir: a folder that ``kneebundle prepare-oai`` wrote for this stage
            (:func:`kneebundle.datasets.read_film_halves`), or one with single knees
            (:func:`kneebundle.datasets.read_knees`), of which films are made; empty: films are made of phantoms.
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 trains on everything, see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject and stratified by KL grade.
        film_count: made films an epoch; validation has others, a quarter as many.
        seed: of the films; the folds are always the same.

    Returns:
        A record a half for :class:`kneebundle.datasets.LoadHalfFilmd`.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    if dataset_dir and holds_film_halves(dataset_dir):
        return read_film_halves(dataset_dir, split, fold, folds)
    return made_film_records(dataset_dir, split, fold, folds, film_count, seed)


@log_used_data
def hand_records(
    dataset_dir: str,
    split: str,
    fold: int = 0,
    folds: int = 3,
    phantom_size: int = 64,
    seed: int = 0,
    epoch_size: int = 64,
    phantom_share: float = 0.2,
) -> list[dict[str, Any]]:
    """List the hands of one split: those of a data set with some phantoms among them in training, or phantoms.

    Args:
        dataset_dir: folder with images/ and a table (:func:`kneebundle.datasets.read_hands`); empty: phantoms.
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 trains on everything, see :func:`kneebundle.datasets.split_records`.
        folds: number of folds.
        phantom_size: phantoms an epoch where there is no data set; validation has others, a quarter as many.
        seed: of the phantoms.
        epoch_size: images an epoch in training: the hands are repeated, each time to be varied anew, until there are
            that many.
        phantom_share: of the epoch, phantoms.

    Returns:
        A record a hand for :class:`kneebundle.datasets.LoadHandd`.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    if not dataset_dir:
        return phantom_records(lambda count: PhantomHands(count, seed), split, phantom_size)
    hands = read_hands(dataset_dir, split, fold, folds)
    if split == "validation":
        return hands
    drawn = round(epoch_size * phantom_share)
    real = max(epoch_size - drawn, len(hands))
    phantoms = phantom_records(lambda count: PhantomHands(count, seed), split, drawn)
    return [hands[i % len(hands)] for i in range(real)] + phantoms


@log_used_data
def lateral_records(
    dataset_dir: str, split: str, fold: int = 0, folds: int = 5, phantom_size: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """List the lateral films of one split: those of a data set, or phantoms.

    Args:
        dataset_dir: a folder in one of the layouts of docs/lateral_data.md
            (:func:`kneebundle.datasets.read_lateral_films`); empty: phantoms.
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 trains on everything, see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject.
        phantom_size: phantoms an epoch; validation has others, a quarter as many.
        seed: of the phantoms; the folds are always the same.

    Returns:
        A record a film for :class:`kneebundle.datasets.LoadLaterald`.

    Raises:
        KneeBundleError: if the folder or its labels cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    if dataset_dir:
        return read_lateral_films(dataset_dir, split, fold, folds)
    return phantom_records(lambda count: LateralKnees(count, seed), split, phantom_size)
