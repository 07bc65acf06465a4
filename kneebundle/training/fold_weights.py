"""The weights that an evaluation of a fold starts from."""

from __future__ import annotations

import logging
from pathlib import Path

__all__ = ["find_fold_weights"]


def find_fold_weights(bundle_root: str | Path, fold: int) -> str:
    """Find the network of a bundle that was not trained on a fold, ``models/model_fold<n>.pt``.

    Where it is not there, as in an installed package, ``models/model.pt`` is taken and a warning says so: that network
    has seen all the folds of the data that it was trained on.

    Args:
        bundle_root: the bundle's folder.
        fold: number of the fold; -1: of training on everything, whose network is ``models/model.pt``.

    Returns:
        The path of the file, whether or not it is there.
    """
    models = Path(bundle_root) / "models"
    own, whole = models / f"model_fold{fold}.pt", models / "model.pt"
    if own.is_file():
        return str(own)
    if fold >= 0:
        logging.getLogger(__name__).warning(
            f"{own} is not part of this installation; {whole} is evaluated instead, which has seen all folds of the "
            "data it was trained on: on other data that is right, on that data the figures are too good"
        )
    return str(whole)
