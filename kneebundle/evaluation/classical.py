"""Classical methods beside the network of the same fold: the same knees, the same places to start from, one table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kneebundle.bundles import find_installed_bundle
from kneebundle.datasets.knees import LoadKneed, read_knees, read_landmark_table
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.landmarks import Comparison, compare, summarize
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.tables import read_table, write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.functional import RADII_MM
from kneebundle.pipelines.knee_pa import LANDMARK_BUNDLE, NEAR_MM
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.shape_models.active_appearance import train_active_appearance
from kneebundle.shape_models.constrained_local import train_constrained_local
from kneebundle.shape_models.matching import Match, to_confidence
from kneebundle.shape_models.regions import SPACING_MM, cut_regions
from kneebundle.shape_models.regression_voting import train_regression_voting

__all__ = ["CLASSICAL", "NETWORK", "compare_classical", "draw_starts", "format_classical", "predict_fold"]

NETWORK = "hourglass"
"""The method that is the landmark network of the fold."""

CLASSICAL: dict[str, Callable[..., Any]] = {
    "aam-igo": partial(train_active_appearance, features="igo"),
    "aam-lbp": partial(train_active_appearance, features="lbp"),
    "clm-igo": partial(train_constrained_local, features="igo"),
    "clm-lbp": partial(train_constrained_local, features="lbp"),
    "rfrv": train_regression_voting,
}
"""What trains each classical method on regions, landmarks and the size of a pixel."""

_COLUMNS = ("path", "side", "landmark", "name", "x_px", "y_px", "x_mm", "y_mm", "confidence")
_FARTHEST_MM = 10.0
_MIRROR = np.array([-1.0, 1.0])

Locate = Callable[[Sequence[dict[str, Any]], np.ndarray], np.ndarray]
"""Records and the shifts (M, 2) of their starts, to (M, N, 3): x and y in mm of the radiograph, confidence."""


@dataclass(frozen=True)
class Effort:
    """What a fold took, in seconds of the processor: the training, and a knee."""

    training: float
    knee: float


def draw_starts(dataset_dir: Path, spread_mm: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw how far beside its joint each knee of a data set is begun, as a first stage would leave it.

    Args:
        dataset_dir: folder with landmarks.csv.
        spread_mm: standard deviation along each axis; nothing beyond 10 mm is drawn.
        seed: of the drawing; all methods are given the same.

    Returns:
        (2,) mm by the name of the image.
    """
    records = read_landmark_table(dataset_dir / "landmarks.csv")
    rng = np.random.default_rng(seed)
    shifts = np.clip(rng.normal(0.0, spread_mm, (len(records), 2)), -_FARTHEST_MM, _FARTHEST_MM)
    return {record["image"]: shift for record, shift in zip(records, shifts, strict=True)}


def predict_fold(
    dataset_dir: Path,
    method: str,
    fold: int,
    output: Path,
    starts: Mapping[str, np.ndarray],
    *,
    folds: int = 5,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Train a method on all folds but one, predict that one, and write ``landmarks.csv`` and ``effort.json``.

    Where a method finds landmark 4 more than 4 mm from where it began, it begins once more there, as
    ``kneebundle predict`` does. A fold that was written before is left as it is.

    Args:
        dataset_dir: folder with images/ and landmarks.csv.
        method: a key of :data:`CLASSICAL`, or :data:`NETWORK`.
        fold: the one kept apart.
        output: folder of this method and fold.
        starts: of :func:`draw_starts`.
        folds: number of folds.
        seed: of the training.
        options: further arguments of the training.
        report: is told how far it is.

    Raises:
        KneeBundleError: for another method, or data that cannot be used.
    """
    if (output / "landmarks.csv").is_file():
        return
    begin = time.process_time()
    if method == NETWORK:
        locate = _load_network(fold)
    elif method in CLASSICAL:
        regions, points = _cut_training(dataset_dir, fold, folds)
        begin = time.process_time()
        more = {**({"seed": seed} if not method.startswith("aam") else {}), **(options or {})}
        model = CLASSICAL[method](regions, points, SPACING_MM, report=report, **more)
        locate = partial(_locate_by_shape, model)
    else:
        known = ", ".join([*CLASSICAL, NETWORK])
        raise KneeBundleError(f"the methods are {known}; got {method!r}", field="methods")
    trained = time.process_time() - begin
    records = read_knees(dataset_dir, "validation", fold, folds)
    shifts = np.stack([starts[Path(record["image"]).name] for record in records])
    begin = time.process_time()
    found = _locate_twice(locate, records, shifts)
    effort = Effort(trained, (time.process_time() - begin) / len(records))
    output.mkdir(parents=True, exist_ok=True)
    with write_atomically(output / "effort.json") as temporary:
        temporary.write_text(json.dumps(vars(effort)) + "\n", encoding="utf-8")
    write_table(output / "landmarks.csv", _COLUMNS, _list_rows(records, found))


@lru_cache(maxsize=1)
def _cut_training(dataset_dir: Path, fold: int, folds: int) -> tuple[np.ndarray, np.ndarray]:
    return cut_regions(read_knees(dataset_dir, "training", fold, folds))


def _load_network(fold: int) -> Locate:
    root = find_installed_bundle(LANDMARK_BUNDLE)
    model = LandmarkModel(root, torch.device("cpu"), [root / "models" / f"model_fold{fold}.pt"])
    load = LoadKneed()

    def locate(records: Sequence[dict[str, Any]], shifts: np.ndarray) -> np.ndarray:
        found = []
        for record, shift in zip(records, shifts, strict=True):
            item: dict[Any, Any] = load({**record, "inverted": 0})
            item["center_mm"] = np.asarray(item["center_mm"]) + shift
            found.append(model.locate([item])[0].numpy())
        return np.stack(found)

    return locate


def _locate_by_shape(model: Any, records: Sequence[dict[str, Any]], shifts: np.ndarray) -> np.ndarray:
    found = []
    for record, shift in zip(records, shifts, strict=True):
        regions, _ = cut_regions([{**record, "inverted": 0}], shift[None])
        match: Match = model.match(regions[0].astype(np.float32), SPACING_MM)
        points = match.points * (_MIRROR if record["side"] == "L" else 1.0)
        found.append(np.column_stack([points + _joint_mm(record) + shift, to_confidence(match.spread_mm)]))
    return np.stack(found)


def _joint_mm(record: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(record["landmarks"][KNEE_PA.center] * record["spacing_mm"])


def _locate_twice(locate: Locate, records: Sequence[dict[str, Any]], shifts: np.ndarray) -> np.ndarray:
    found = locate(records, shifts)
    joints = np.stack([_joint_mm(record) for record in records])
    moved = found[:, KNEE_PA.center, :2] - joints
    again = np.flatnonzero(np.linalg.norm(moved - shifts, axis=1) > NEAR_MM).tolist()
    if again:
        found[again] = locate([records[k] for k in again], moved[again])
    return found


def _list_rows(records: Sequence[dict[str, Any]], found: np.ndarray) -> list[list[Any]]:
    rows = []
    for record, points in zip(records, found, strict=True):
        for number, (x, y, confidence) in enumerate(points):
            pixels = [f"{value / record['spacing_mm']:.2f}" for value in (x, y)]
            name = KNEE_PA.names[number]
            mm = [f"{x:.3f}", f"{y:.3f}", f"{confidence:.4f}"]
            rows.append([record["image"], record["side"], number, name, *pixels, *mm])
    return rows


def compare_classical(
    dataset_dir: Path, output: Path, methods: Sequence[str], folds: Sequence[int]
) -> tuple[dict[str, Comparison], dict[str, Effort]]:
    """Compare what :func:`predict_fold` wrote into ``<method>/fold<k>``; writes ``<method>/landmarks.csv``.

    Returns:
        For each method the comparison with the labels, of the knees of these folds, and its mean effort.
    """
    truth = dataset_dir / "landmarks.csv"
    images = {Path(r["image"]).name for fold in folds for r in read_knees(dataset_dir, "validation", fold)}
    comparisons, efforts = {}, {}
    for method in methods:
        parts = [output / method / f"fold{fold}" for fold in folds]
        rows = [row for part in parts for row in read_table(part / "landmarks.csv", list(_COLUMNS))]
        write_table(output / method / "landmarks.csv", _COLUMNS, [[row[c] for c in _COLUMNS] for row in rows])
        comparisons[method] = compare(output / method / "landmarks.csv", truth).select(images)
        spent = [json.loads((part / "effort.json").read_text(encoding="utf-8")) for part in parts]
        efforts[method] = Effort(*(float(np.mean([s[key] for s in spent])) for key in ("training", "knee")))
    return comparisons, efforts


def format_classical(
    comparisons: Mapping[str, Comparison], efforts: Mapping[str, Effort], landmarks: Sequence[int] = KNEE_PA.report
) -> str:
    """Format the table in Markdown, a row a method.

    The last columns say on how many of the knees a method has a smaller mean error over all landmarks than the network,
    as predicted and after the best scale and shift of each knee.
    """
    radii = " / ".join(f"{radius:g}" for radius in RADII_MM)
    header = ["method", "knees", f"PCK at {radii} mm", "after best scale and shift", "outliers, % of knees"]
    header += ["mean mm", "median mm", "s to train", "s a knee", "nearer than the network, % of knees", "fitted"]
    network = comparisons.get(NETWORK)
    lines = []
    for name, comparison in comparisons.items():
        row = summarize(comparison, landmarks)["all"]
        shares = [" / ".join(f"{p:.1f}" for p in row[key].values()) for key in ("pck_mm", "pck_fitted_mm")]
        wins = ["-", "-"]
        if network is not None and name != NETWORK:
            pairs = ((comparison.errors, network.errors), (comparison.fitted, network.fitted))
            wins = [f"{100 * (a.mean(1) < b.mean(1)).mean():.0f}" for a, b in pairs]
        effort = efforts[name]
        spent = ["-" if name == NETWORK else f"{effort.training:.0f}", f"{effort.knee:.2f}"]
        lengths = [f"{row['mean_mm']:.2f}", f"{row['median_mm']:.2f}"]
        lines.append([name, str(row["knees"]), *shares, f"{row['outliers']:.1f}", *lengths, *spent, *wins])
    return format_markdown(header, lines)
