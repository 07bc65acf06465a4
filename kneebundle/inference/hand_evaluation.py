"""Every hand of a data set answered by the network of the fold it was kept apart from, and the errors in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from kneebundle.datasets.hands import hand_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table
from kneebundle.landmarks import HAND
from kneebundle.metrics.functional import pck, radial_errors
from kneebundle.training.error_curve import save_error_curves

__all__ = ["LIMITS_MM", "hand_errors", "held_out_hand_errors", "summarize_hands", "write_hand_evaluation"]

LIMITS_MM = (2.0, 4.0, 10.0)


def held_out_hand_errors(
    dataset_dir: Path, weights: str, bundle: Path, folds: int = 3, overrides: Mapping[str, Any] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Errors of each fold's network on the hands that it never saw.

    Args:
        dataset_dir: folder as :func:`kneebundle.datasets.hands.hand_records` reads it.
        weights: path of the weights with ``{fold}`` in place of the fold's number.
        bundle: folder of the bundle; its inference.json says how an image is answered.
        folds: number of folds, numbered as in training.
        overrides: other values for keys of inference.json.

    Returns:
        By the fold's name, by the image's id, errors (37,) in mm, NaN without a label. Folds without weights are left out.

    Raises:
        KneeBundleError: if no fold has weights.
    """
    present = [fold for fold in range(folds) if Path(weights.format(fold=fold)).is_file()]
    if not present:
        raise KneeBundleError("there are no weights for any fold; train them first", weights)
    return {
        f"fold {fold}": hand_errors(
            hand_records(str(dataset_dir), "validation", fold, folds), weights.format(fold=fold), bundle, overrides
        )
        for fold in present
    }


@torch.inference_mode()
def hand_errors(
    records: Sequence[dict[str, Any]], weights: str | Path, bundle: Path, overrides: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Errors (37,) in mm of one network on records with labels, by the image's id; see :func:`held_out_hand_errors`."""
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
        answer = inferer(data["image"][None].to(device), network)[0]
        points = np.asarray(finish({"image": data["image"], "pred": answer})["pred"])[None, :, :2]
        errors[str(record["id"])] = radial_errors(points, np.asarray(data["landmarks"])[None])[0]
    return errors


def summarize_hands(errors: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """A row for each fold and one for all: hands, mean, median and standard deviation in mm, percent of landmarks beyond 2, 4
    and 10 mm, the largest error."""
    groups = {name: list(hands.values()) for name, hands in errors.items()}
    groups["all"] = [values for hands in errors.values() for values in hands.values()]
    return {name: _row(np.stack(values)) for name, values in groups.items()}


def _row(errors: np.ndarray) -> dict[str, float]:
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
    lines = [["", *columns], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
