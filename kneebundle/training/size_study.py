"""Error against the number of training images (Payer et al. 2019, Figure 2 b), in runs that can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import run

from kneebundle.datasets.knees import LoadKneed
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.metrics.functional import radial_errors
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.training.records import knee_records
from kneebundle.training.study_files import claim_study_folder, read_errors, write_errors
from kneebundle.transforms.roi import image_center_mm

__all__ = ["SizeRun", "SizeStudy", "measure_held_out_errors"]

_ARCHITECTURES = ("scn", "unet")
_OF_THE_NETWORK = ("spacing_mm", "region_mm", "features", "networks")


@dataclass(frozen=True)
class SizeRun:
    """One training of a study.

    Attributes:
        architecture: ``"scn"`` or ``"unet"``.
        knees: how many it was trained on.
        errors: (K, N) mm, of the held-out knees.
        seed: of its weights, the order of the images and their augmentation.
    """

    architecture: str
    knees: int
    errors: np.ndarray
    seed: int = 0


@dataclass(frozen=True)
class SizeStudy:
    """The same training with more and more knees, each network judged on the same held-out subjects.

    The knees of a smaller set are part of every larger one (:func:`kneebundle.datasets.training_subset`); every run
    makes as many steps. What counts is the last state of a network, not its best on the held-out knees. Overlays of
    train.json are ``configs/ablations/sizes.json`` and, for one architecture, ``sizes_<architecture>.json``, where the
    bundle has them.

    Args:
        bundle: folder of knee_landmark_scn, or of another bundle whose train.json has ``training_knees`` and
            ``architecture``.
        dataset_dir: folder with images/ and landmarks.csv; empty: phantoms.
        output: folder for the runs; a run that is complete is not done again.
        architectures: names that the bundle knows.
        sizes: numbers of training knees; 0: all of them.
        fold: the one held out.
        network: values of keys that train.json and inference.json share (``spacing_mm``, ``features``).
        training: values of other keys of train.json (``max_epochs``, ``batch_size``).
        seeds: each run is done once with each.

    Raises:
        KneeBundleError: if the bundle does not know an architecture.
    """

    bundle: Path
    dataset_dir: str
    output: Path
    architectures: Sequence[str] = ("scn", "unet")
    sizes: Sequence[int] = (10, 50, 100, 0)
    fold: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        unknown = [name for name in self.architectures if name not in _ARCHITECTURES]
        if unknown:
            raise KneeBundleError(
                f"there is no architecture {unknown[0]!r}; there are {', '.join(_ARCHITECTURES)}", field="architectures"
            )

    def complete(self, report: Callable[[list[SizeRun]], None] | None = None) -> list[SizeRun]:
        """Do the runs that are not done yet, all sizes with one seed before the next seed.

        Args:
            report: is given all runs that are done, after each.

        Returns:
            All runs, seed by seed and size by size.

        Raises:
            KneeBundleError: if the folder holds a study of other settings, or the data or the settings cannot be used.
        """
        settings = {"dataset_dir": self.dataset_dir, "fold": self.fold, "training": dict(self.training)}
        claim_study_folder(self.output, {**settings, "network": dict(self.network)})
        runs = []
        for seed in self.seeds:
            for size in self.sizes:
                for name in self.architectures:
                    runs.append(self._run(name, size, seed))
                    if report is not None:
                        report(runs)
        return runs

    def _run(self, architecture: str, size: int, seed: int) -> SizeRun:
        knees = size or len(self._list_records("training"))
        folder = self.output / f"{architecture}_{knees}_seed{seed}"
        if not (folder / "errors.csv").is_file():
            if not (folder / "model_last.pt").is_file():
                self._train(architecture, size, seed, folder)
            records = self._list_records("validation")
            settings = {**self._read_network_settings(architecture), "architecture": architecture}
            errors = measure_held_out_errors(self.bundle, folder / "model_last.pt", records, settings)
            write_errors(folder / "errors.csv", records, errors)
        return SizeRun(architecture, knees, read_errors(folder / "errors.csv"), seed)

    def _find_overlays(self, architecture: str) -> list[Path]:
        files = [self.bundle / "configs" / "ablations" / f"{name}.json" for name in ("sizes", f"sizes_{architecture}")]
        return [file for file in files if file.is_file()]

    def _read_network_settings(self, architecture: str) -> dict[str, Any]:
        """What the overlays say of the network and its input, and what this study changes of it."""
        files = self._find_overlays(architecture)
        overlays = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        merged = {key: value for overlay in overlays for key, value in overlay.items()}
        known = {key: value for key, value in merged.items() if key.split("#")[0] in _OF_THE_NETWORK}
        return {**known, **self.network}

    def _train(self, architecture: str, size: int, seed: int, folder: Path) -> None:
        values = {**self.training, **self.network, "architecture": architecture, "training_knees": size, "seed": seed}
        files = [self.bundle / "configs" / "train.json", *self._find_overlays(architecture)]
        run(
            run_id="training",
            config_file=[str(file) for file in files],
            meta_file=str(self.bundle / "configs" / "metadata.json"),
            bundle_root=str(self.bundle),
            dataset_dir=self.dataset_dir,
            fold=self.fold,
            output_dir=str(folder),
            cache_dir=str(self.output / "cache"),
            num_workers=0,
            main_process=False,
            resume=True,
            **values,
        )

    def _list_records(self, split: str) -> list[dict[str, Any]]:
        phantoms = {"phantom_size": self.training["phantom_size"]} if "phantom_size" in self.training else {}
        return knee_records(self.dataset_dir, split, self.fold, **phantoms)


def measure_held_out_errors(
    bundle: Path, weights: Path, records: Sequence[dict[str, Any]], settings: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Measure the errors of a bundle's network on knees, all of them, however unsure the network is.

    The region is cut around the middle of each image, once; the labels have no part in it.

    Args:
        bundle: its folder.
        weights: of its network.
        records: as :func:`kneebundle.training.knee_records` gives them.
        settings: as :class:`LandmarkModel` takes them.

    Returns:
        (K, N) mm.
    """
    model = LandmarkModel(bundle, choose_device("auto"), [weights], settings)
    load = LoadKneed(centered=False)
    errors = []
    for record in records:
        knee = load(record)
        item = {"image": knee["image"], "side": knee["side"], "center_mm": image_center_mm(knee["image"])}
        points = model.locate([item])[0][None, :, :2].numpy()
        errors.append(radial_errors(points, knee["landmarks"][None].numpy())[0])
    return np.stack(errors)
