"""A model as a bundle: a folder that predicts in the place of the landmark network's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from kneebundle.bundles import find_installed_bundle
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.shape_models.states import ShapeModel, name_kind, write_state

__all__ = ["write_bundle"]

_LIKE = "knee_landmark_rfrv"
_TITLES = {
    "rfrv": "random forest regression voting",
    "clm": "a constrained local model",
    "aam": "an active appearance model",
}


def write_bundle(model: ShapeModel, folder: Path) -> Path:
    """Write ``models/model.pt``, and the rest of a bundle like knee_landmark_rfrv where the folder is none yet.

    Its metadata say that it takes the place of knee_landmark_localization. No confidence is too low for it, because no
    threshold was chosen for this model.

    Args:
        model: that was trained.
        folder: of the bundle; the configuration of one that is there stays as it is.

    Returns:
        ``models/model.pt``.

    Raises:
        KneeBundleError: if the folder is the bundle of another kind of model.
    """
    kind = name_kind(model)
    config = folder / "configs" / "inference.json"
    if not config.is_file():
        _copy_rest(kind, folder)
    found = json.loads(config.read_text(encoding="utf-8")).get("network_def", {}).get("kind")
    if found != kind:
        raise KneeBundleError(
            f"this bundle is made for a model of kind {found!r}, not {kind!r}; give another folder", config, "output"
        )
    weights = folder / "models" / "model.pt"
    weights.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(weights) as temporary:
        torch.save(write_state(model), temporary)
    return weights


def _copy_rest(kind: str, folder: Path) -> None:
    like = find_installed_bundle(_LIKE)
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    for name in ("LICENSE", "configs/logging.conf"):
        shutil.copyfile(like / name, folder / name)
    metadata = _read(like / "configs" / "metadata.json")
    metadata["name"] = f"Knee landmarks by {_TITLES[kind]}"
    metadata["description"] = f"The 16 knee landmarks by {_TITLES[kind]}; no neural network."
    metadata |= {"version": "0.1.0", "changelog": {"0.1.0": "trained"}, "takes_place_of": "knee_landmark_localization"}
    metadata |= {"data_source": "that of the one who trained it", "eval_metrics": {}, "references": []}
    inference = _read(like / "configs" / "inference.json")
    inference["network_def"]["kind"] = kind
    inference.pop("least_confidence")
    for name, content in (("metadata.json", metadata), ("inference.json", inference)):
        with write_atomically(folder / "configs" / name) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
