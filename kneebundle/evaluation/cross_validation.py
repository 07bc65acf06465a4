"""Predict each knee of a data set with a network that never saw its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kneebundle.batch.engine import RunOptions
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import predict_images
from kneebundle.bundles import hash_file
from kneebundle.datasets.knees import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.knee_pa import LANDMARK_BUNDLE, KneePipeline

__all__ = ["predict_held_out"]


def predict_held_out(
    dataset_dir: Path,
    weights: str,
    output: Path,
    *,
    folds: int = 5,
    stages: int = 2,
    bundles: Path | None = None,
    bundle: str = LANDMARK_BUNDLE,
    settings: Mapping[str, Any] | None = None,
    only: Sequence[int] | None = None,
) -> int:
    """Predict each fold of a data set with the weights trained on the others, as ``kneebundle predict`` would.

    The network is given the file, its side and spacing, and nothing of its labels: the first region is cut around the
    middle of the image.

    Args:
        dataset_dir: folder with images/ and landmarks.csv.
        weights: path of the weights with ``{fold}`` for the number of the fold.
        output: output folder, as ``kneebundle predict`` writes it.
        folds: number of folds, numbered as in training.
        stages: passes of the landmark network.
        bundles: folder with bundles; None: those installed.
        bundle: name of the one that the weights are of.
        settings: other values for keys of its inference.json, such as ``{"architecture": "unet"}``.
        only: the folds to predict; None: all.

    Returns:
        The number of folds that were predicted; folds without weights are left out.

    Raises:
        KneeBundleError: if no fold has weights.
    """
    wanted = range(folds) if only is None else only
    present = [fold for fold in wanted if Path(weights.format(fold=fold)).is_file()]
    if not present:
        raise KneeBundleError("there are no weights for any fold; train them first", weights, "weights")
    for fold in present:
        file = Path(weights.format(fold=fold))
        records = read_knees(dataset_dir, "validation", fold, folds)
        requests = [
            ImageRequest(Path(r["image"]), r["side"], r["spacing_mm"], "manifest", "pa-single") for r in records
        ]
        predict_images(
            requests,
            output,
            lambda file=file: KneePipeline.from_bundles(  # type: ignore[misc]
                bundles, "auto", stages, [file], landmark_bundle=bundle, settings=settings
            ),
            RunOptions(formats=("json", "csv"), progress=True),
            made_with={"stages": stages, "bundle": bundle, "settings": settings, "weights": hash_file(file)},
        )
    return len(present)
