"""Make a bundle of weights that the authors of KNEEL published (Tiulpin et al. 2019, github.com/Oulu-IMEDS/KNEEL)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from kneebundle.bundles import find_installed_bundle
from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.networks.kneel_release import KneelReleaseNet
from kneebundle.zoo.kneel_snapshots import (
    describe_network,
    find_snapshots,
    fold_normalization,
    read_mean_std,
    read_snapshot,
)

__all__ = ["ImportedBundle", "import_kneel"]

_PLACES = {1: "knee_roi_localization", 16: "knee_landmark_localization"}
"""The bundle whose place a network takes, by its number of landmarks."""
_REGION_MM = {16: 140.0}
_WHOLE_FILM_PERCENTILES = {"lower": 5.0, "upper": 99.0}
_BYTE_SCALE = 2.0
"""A mean or standard deviation above this was taken of grey values from 0 to 255, not from 0 to 1."""

_LICENSE = """\
The weights in models/ are those of KNEEL, converted by kneebundle. They are not under the licence of kneebundle.

Their authors (Aleksei Tiulpin, University of Oulu, https://github.com/Oulu-IMEDS/KNEEL) state: the codes and the
pre-trained models are not available for any commercial use, including research for commercial purposes.

Who uses them cites: Tiulpin, A., Melekhov, I., Saarakkala, S.: KNEEL: Knee Anatomical Landmark Localization Using
Hourglass Networks. ICCV Workshops 2019. doi:10.1109/ICCVW.2019.00046

The configuration in configs/ is part of kneebundle and under the Apache License 2.0.
"""
_NOTICE = "Weights of KNEEL (Tiulpin 2019): NOT for any commercial use, including research for commercial purposes."


@dataclass(frozen=True)
class ImportedBundle:
    """A bundle made of published snapshots.

    Attributes:
        root: its folder.
        takes_place_of: name of the bundle that it can take the place of.
        generation: ``"2019"``, ``"2024"`` or ``"bottleneck"`` (the network without HMP blocks).
        folds: number of networks.
    """

    root: Path
    takes_place_of: str
    generation: str
    folds: int


def import_kneel(
    snapshots: Path, output: Path, mean_std: Path | None = None, overwrite: bool = False
) -> ImportedBundle:
    """Make a bundle of the snapshots of one KNEEL training.

    The generation, the widths and depths are told by the names and shapes of the weights. The three channels of the
    input are folded into one, the mean and the standard deviation into the first layer, so the bundle's network gives
    what the mean of the snapshots' networks gives. The bundle has all folds in ``models/model.pt``. Its LICENSE, its
    docs and its metadata say that the weights are not for commercial use.

    Args:
        snapshots: folder with ``fold_*.pth``, or one such file.
        output: folder of the bundle; it must be new or empty.
        mean_std: ``mean_std.npy``; None: the one in the folder of the snapshots or in the folder above.
        overwrite: replace the bundle of an earlier import at ``output``; anything else there is left alone.

    Raises:
        KneeBundleError: if something is missing, is not what KNEEL saves, or is not safe to load.
    """
    if output.exists() and not overwrite and (not output.is_dir() or any(output.iterdir())):
        raise KneeBundleError("there is something at this place already; a new folder is needed", output, "overwrite")
    if output.exists() and not _is_bundle(output):
        raise KneeBundleError("this is no bundle of KNEEL's weights, and it is left alone", output, "output")
    files = find_snapshots(snapshots)
    mean, std = read_mean_std(snapshots, mean_std)
    states = [(file, state) for file in files for state in read_snapshot(file)]
    options = _agree([(file, describe_network(state, file)) for file, state in states])
    landmarks = options["num_landmarks"]
    if landmarks not in _PLACES:
        raise KneeBundleError(
            f"a network of {landmarks} landmarks; KNEEL's have 1 (joint centre) or 16 (tibia and femur)", files[0]
        )
    network = KneelReleaseNet(**options, num_networks=len(states)).eval()
    for part, (file, state) in zip(network.networks, states, strict=True):
        _load(part, fold_normalization(state, mean, std, file), file)
    top = 255.0 if max(*mean, *std) > _BYTE_SCALE else 1.0
    imported = ImportedBundle(output, _PLACES[landmarks], _name_generation(options), len(states))
    _write_bundle(imported, network, {**options, "num_networks": len(states)}, top)
    return imported


def _is_bundle(root: Path) -> bool:
    """Whether a folder is empty, or holds a bundle of :func:`import_kneel` and nothing else."""
    if not root.is_dir() or root.is_symlink():
        return False
    found = {path.name for path in root.iterdir()}
    try:
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8")) if found else {}
    except (OSError, ValueError):
        return False
    return not found or ("takes_place_of" in metadata and found <= {"configs", "docs", "models", "LICENSE"})


def _agree(described: list[tuple[Path, dict[str, Any]]]) -> dict[str, Any]:
    """The options that all snapshots have; one that differs is an error."""
    first_file, first = described[0]
    for file, options in described[1:]:
        other = [name for name in first if options[name] != first[name]]
        if other:
            found = ", ".join(f"{name} {options[name]} and {first[name]}" for name in other)
            raise KneeBundleError(
                f"it is of another network than {first_file.name} ({found}); give the folds of one training", file
            )
    return first


def _load(network: torch.nn.Module, state: dict[str, torch.Tensor], file: Path) -> None:
    """Load the weights of one fold; 1x1 kernels come to lie in the middle of 3x3 ones, which is the same."""
    wanted = network.state_dict()
    unknown, missing = sorted(state.keys() - wanted.keys()), sorted(wanted.keys() - state.keys())
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if unknown or missing:
        found = [
            f"{len(keys)} keys {what}, such as {keys[0]}"
            for keys, what in ((unknown, "unknown"), (missing, "missing"))
            if keys
        ]
        raise KneeBundleError(f"these are not the weights of a KNEEL network: {'; '.join(found)}", file)
    fitted = {
        key: torch.nn.functional.pad(value, (1, 1, 1, 1))
        if value.ndim == 4 and value.shape[2:] == (1, 1) and wanted[key].shape[2:] == (3, 3)
        else value
        for key, value in state.items()
    }
    try:
        network.load_state_dict({**wanted, **fitted})
    except RuntimeError as error:
        raise KneeBundleError(f"weights of other shapes than a KNEEL network has ({in_brief(error)})", file) from error


def _name_generation(options: Mapping[str, Any]) -> str:
    if options["block"] == "bottleneck":
        return "bottleneck"
    return "2024" if options["inner_block"] == "hmp" else "2019"


def _write_bundle(imported: ImportedBundle, network: KneelReleaseNet, options: dict[str, Any], top: float) -> None:
    """Write the bundle beside its place, then put it there."""
    root = imported.root
    temporary = root.with_name(f".{uuid4().hex[:12]}")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        for folder in ("configs", "docs", "models"):
            (temporary / folder).mkdir(parents=True)
        template = find_installed_bundle(imported.takes_place_of)
        shutil.copyfile(template / "configs" / "logging.conf", temporary / "configs" / "logging.conf")
        _write_json(temporary / "configs" / "inference.json", _make_inference(template, options, top))
        _write_json(temporary / "configs" / "metadata.json", _make_metadata(template, imported, options, top))
        (temporary / "LICENSE").write_text(_LICENSE, encoding="utf-8")
        (temporary / "docs" / "data_license.txt").write_text(_LICENSE, encoding="utf-8")
        (temporary / "docs" / "README.md").write_text(_make_readme(imported, options), encoding="utf-8")
        torch.save(network.state_dict(), temporary / "models" / "model.pt")
        if root.is_dir():
            shutil.rmtree(root)
        temporary.replace(root)
    except OSError as error:
        raise KneeBundleError(f"the bundle cannot be written ({error.strerror or error})", root, "output") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _make_inference(template: Path, options: dict[str, Any], top: float) -> dict[str, Any]:
    """inference.json of the bundle whose place it takes, with another network and KNEEL's grey values.

    KNEEL clips a whole radiograph at its 5th and 99th percentile before anything is cut out of it.
    """
    config = _read_json(template / "configs" / "inference.json")
    config["_desc_"] = _NOTICE
    config["dataset_dir"] = "$@bundle_root + '/images'"
    config["network_def"] = {
        "_target_": "kneebundle.networks.KneelReleaseNet",
        **options,
        "confidence_spread": 0.015,
    }
    config["least_confidence"] = 0.0  # nobody has found the threshold for these weights
    config["region_mm"] = _REGION_MM.get(options["num_landmarks"], config["region_mm"])
    config.pop("ensemble", None)
    normalize = "kneebundle.transforms.NormalizePercentilesd"
    config["crop_transforms"] = [
        {"_target_": normalize, "keys": "image", **_WHOLE_FILM_PERCENTILES},
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "image",
            "a_min": -1.0,
            "a_max": 1.0,
            "b_min": 0.0,
            "b_max": top,
        },
        *(step for step in config["crop_transforms"] if step["_target_"] != normalize),
    ]
    return config


def _make_metadata(template: Path, imported: ImportedBundle, options: dict[str, Any], top: float) -> dict[str, Any]:
    metadata = _read_json(template / "configs" / "metadata.json")
    wanted = ("schema", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task")
    kept = {key: metadata[key] for key in wanted}
    kinds = ("data_type", "image_classes", "label_classes", "pred_classes", "references", "network_data_format")
    described = {key: metadata[key] for key in kinds if key in metadata}
    described["network_data_format"]["inputs"]["image"]["value_range"] = [0, top]
    return {
        **kept,
        "version": "0.1.0",
        "changelog": {"0.1.0": "imported from snapshots of KNEEL"},
        "authors": "Aleksei Tiulpin, Iaroslav Melekhov, Simo Saarakkala; converted by kneebundle",
        "copyright": "(c) Aleksei Tiulpin, University of Oulu",
        "license": _NOTICE,
        "name": f"KNEEL {imported.generation}",
        "description": f"KNEEL's own weights, {imported.folds} folds, {options['num_landmarks']} landmarks. {_NOTICE}",
        "data_source": "Osteoarthritis Initiative, with the annotations of KNEEL (Tiulpin 2019)",
        "eval_metrics": {},
        "intended_use": f"Research only. Not for diagnosis or treatment. {_NOTICE}",
        "takes_place_of": imported.takes_place_of,
        **described,
    }


def _make_readme(imported: ImportedBundle, options: Mapping[str, Any]) -> str:
    return (
        f"# KNEEL's own weights\n\n**{_NOTICE}** See LICENSE.\n\n"
        f"Imported by `kneebundle import-kneel`: {imported.folds} folds of the generation {imported.generation}, "
        f"{options['num_landmarks']} landmarks, width {options['width']}, depth {options['depth']}.\n"
        f"It takes the place of the bundle `{imported.takes_place_of}` where `kneebundle predict` is given the folder\n"
        "that holds this one as its bundles.\n\n"
        "The confidence of these networks is not calibrated, and no knee is left out for it; there is no radius of\n"
        "uncertainty.\n"
    )
