"""Errors in mm of each hand of a data set, by the network of the fold that it was kept apart from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from kneebundle.datasets.hands import read_hands
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.error_curve import save_error_curves
from kneebundle.evaluation.text_tables import format_table
from kneebundle.io.tables import write_table
from kneebundle.landmarks import HAND
from kneebundle.metrics.functional import pck, radial_errors

__all__ = ["LIMITS_MM", "measure_hand_errors", "measure_held_out_hands", "summarize_hands", "write_hand_evaluation"]

LIMITS_MM = (2.0, 4.0, 10.0)


def measure_held_out_hands(
    dataset_dir: Path, weights: str, bundle: Path, folds: int = 3, overrides: Mapping[str, Any] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Measure the errors of each fold's network on the hands that it never saw.

    Args:
        dataset_dir: folder as :func:`kneebundle.datasets.read_hands` reads it.
        weights: path of the weights with ``{fold}`` for the number of the fold.
        bundle: folder of the bundle; its inference.json says how to predict.
        folds: number of folds, numbered as in training.
        overrides: other values for keys of inference.json.

    Returns:
        By the name of the fold, by the id of the image, errors (37,) in mm, NaN without a label. Folds without weights
        are left out.

    Raises:
        KneeBundleError: if no fold has weights.
    """
    present = [fold for fold in range(folds) if Path(weights.format(fold=fold)).is_file()]
    if not present:
        raise KneeBundleError("there are no weights for any fold; train them first", weights, "weights")
    return {
        f"fold {fold}": measure_hand_errors(
            read_hands(dataset_dir, "validation", fold, folds), weights.format(fold=fold), bundle, overrides
        )
        for fold in present
    }


@torch.inference_mode()
def measure_hand_errors(
    records: Sequence[dict[str, Any]], weights: str | Path, bundle: Path, overrides: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Measure the errors of one network on records with labels; see :func:`measure_held_out_hands`.

    Returns:
        By the id of the image, errors (37,) in mm, NaN without a label.
    """
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser["bundle_root"] = str(bundle)
    for key, value in (overrides or {}).items():
        parser[key] = value
    network = parser.get_parsed_content("network").eval()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    inferer, device = parser.get_parsed_content("inferer"), parser.get_parsed_content("device")
    prepare, finish = parser.get_parsed_content("preprocessing"), parser.get_parsed_content("postprocessing")
    errors = {}
    for record in records:
        data = prepare(dict(record))
        pred = inferer(data["image"][None].to(device), network)[0]
        points = np.asarray(finish({"image": data["image"], "pred": pred})["pred"])[None, :, :2]
        errors[str(record["id"])] = radial_errors(points, np.asarray(data["landmarks"])[None])[0]
    return errors


def summarize_hands(errors: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Summarise the errors: a row for each fold and one for all.

    Returns:
        By row: hands, mean, median and standard deviation in mm, percent of landmarks beyond 2, 4 and 10 mm, the
        largest error.
    """
    groups = {name: list(hands.values()) for name, hands in errors.items()}
    groups["all"] = [values for hands in errors.values() for values in hands.values()]
    return {name: _summarize_group(np.stack(values)) for name, values in groups.items()}


def _summarize_group(errors: np.ndarray) -> dict[str, float]:
    labelled = errors[~np.isnan(errors)]
    return {
        "hands": len(errors),
        "mean_mm": float(labelled.mean()),
        "median_mm": float(np.median(labelled)),
        "deviation_mm": float(labelled.std()),
        **{f"beyond_{limit:g}mm_percent": 100.0 - pck(errors, limit) for limit in LIMITS_MM},
        "largest_mm": float(labelled.max()),
    }


def write_hand_evaluation(errors: Mapping[str, Mapping[str, np.ndarray]], folder: Path) -> str:
    """Write ``evaluation.csv`` (the summary), ``evaluation_hands.csv`` (a row a hand) and the cumulative error curves.

    Returns:
        The summary as a text table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarize_hands(errors)
    columns = list(summary["all"])
    rows = [[name, *(f"{row[column]:.2f}".removesuffix(".00") for column in columns)] for name, row in summary.items()]
    write_table(folder / "evaluation.csv", ["group", *columns], rows)
    hands = [
        [name, image, f"{np.nanmean(values):.3f}", f"{np.nanmax(values):.3f}", *(f"{v:.3f}" for v in values)]
        for name, images in errors.items()
        for image, values in images.items()
    ]
    each = [f"error{i}_mm" for i in range(len(HAND))]
    write_table(folder / "evaluation_hands.csv", ["group", "image", "mean_mm", "max_mm", *each], hands)
    curves = {name: np.stack(list(images.values())) for name, images in errors.items()}
    save_error_curves(
        {**curves, "all": np.concatenate(list(curves.values()))}, folder / "cumulative_error", limit_mm=10.0
    )
    return format_table(["", *columns], rows)
