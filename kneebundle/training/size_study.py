"""Error against the number of training images (Payer et al. 2019, Figure 2 b), in runs that can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import run

from kneebundle.datasets.knees import LoadKneed
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.devices import choose_device
from kneebundle.io.tables import number_rows, parse_number, read_table, write_table
from kneebundle.io.writing import write_atomically
from kneebundle.metrics.functional import radial_errors
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.training.records import knee_records
from kneebundle.transforms.roi import image_center_mm

__all__ = ["SizeRun", "SizeStudy", "measure_held_out_errors"]


@dataclass(frozen=True)
class SizeRun:
    """One training of a study.

    Attributes:
        architecture: ``"scn"`` or ``"unet"``.
        knees: how many it was trained on.
        errors: (K, N) mm, of the held-out knees.
    """

    architecture: str
    knees: int
    errors: np.ndarray


@dataclass(frozen=True)
class SizeStudy:
    """The same training with more and more knees, each network judged on the same held-out subjects.

    The knees of a smaller set are part of every larger one (:func:`kneebundle.datasets.training_subset`); every run
    makes as many steps. What counts is the last state of a network, not its best on the held-out knees.

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
    """

    bundle: Path
    dataset_dir: str
    output: Path
    architectures: Sequence[str] = ("scn", "unet")
    sizes: Sequence[int] = (10, 50, 100, 0)
    fold: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def complete(self) -> list[SizeRun]:
        """Do the runs that are not done yet.

        Returns:
            All runs, size by size.

        Raises:
            KneeBundleError: if the folder holds a study of other settings, or the data or the settings cannot be used.
        """
        self._claim_folder()
        return [self._run(name, size) for size in self.sizes for name in self.architectures]

    def _claim_folder(self) -> None:
        """Write the settings down, or compare them: runs of different settings must not stand in one table."""
        settings = {
            "dataset_dir": self.dataset_dir,
            "fold": self.fold,
            "network": dict(self.network),
            "training": dict(self.training),
        }
        file = self.output / "study.json"
        if not file.is_file():
            self.output.mkdir(parents=True, exist_ok=True)
            with write_atomically(file) as temporary:
                temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        elif json.loads(file.read_text(encoding="utf-8")) != settings:
            raise KneeBundleError(
                "the folder holds a study of other settings; repeat them, or give another folder", file, "output"
            )

    def _run(self, architecture: str, size: int) -> SizeRun:
        knees = size or len(self._list_records("training"))
        folder = self.output / f"{architecture}_{knees}"
        if not (folder / "errors.csv").is_file():
            if not (folder / "model_last.pt").is_file():
                self._train(architecture, size, folder)
            records = self._list_records("validation")
            settings = {**self.network, "architecture": architecture}
            errors = measure_held_out_errors(self.bundle, folder / "model_last.pt", records, settings)
            _write_errors(folder / "errors.csv", records, errors)
        return SizeRun(architecture, knees, _read_errors(folder / "errors.csv"))

    def _train(self, architecture: str, size: int, folder: Path) -> None:
        values = {**self.training, **self.network, "architecture": architecture, "training_knees": size}
        run(
            run_id="training",
            config_file=str(self.bundle / "configs" / "train.json"),
            meta_file=str(self.bundle / "configs" / "metadata.json"),
            logging_file=str(self.bundle / "configs" / "logging.conf"),
            bundle_root=str(self.bundle),
            dataset_dir=self.dataset_dir,
            fold=self.fold,
            output_dir=str(folder),
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


def _write_errors(path: Path, records: Sequence[dict[str, Any]], errors: np.ndarray) -> None:
    names = [Path(r["image"]).name if "image" in r else f"phantom-{r['index']}" for r in records]
    columns = ["image", *(f"error{i}_mm" for i in range(errors.shape[1]))]
    write_table(path, columns, [[name, *(f"{e:.4f}" for e in row)] for name, row in zip(names, errors, strict=True)])


def _read_errors(path: Path) -> np.ndarray:
    rows = read_table(path, ["image", "error0_mm"])
    columns = [name for name in rows[0] if name != "image"]
    return np.array([[parse_number(row, c, line, path) for c in columns] for line, row in number_rows(rows)])
