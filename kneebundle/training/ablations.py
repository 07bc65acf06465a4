"""KNEEL's Table 1 made again: trainings that differ in one thing, each judged on the folds kept apart from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser, run
from monai.data import DataLoader

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.metrics.functional import radial_errors
from kneebundle.training.records import knee_records
from kneebundle.training.study_files import claim_study_folder, read_errors, write_errors

__all__ = ["FROM_STAGE_1", "AblationRun", "AblationStudy", "list_ablations"]

FROM_STAGE_1 = "stage1"
"""The row whose training starts from a network of stage 1, which is trained first."""
_BASES = ("kneel", "coarse")
_STAGE_1 = {"spacing_mm": 2.0, "film_count": 200, "learning_rate": 0.002}


def list_ablations(bundle: Path) -> list[str]:
    """List the rows that a bundle has: the names of the files in ``configs/ablations`` but for those all start from.

    Example:
        >>> from kneebundle.bundles import find_installed_bundle
        >>> "mixup_0.75" in list_ablations(find_installed_bundle("knee_landmark_localization"))
        True
    """
    return sorted({path.stem for path in (bundle / "configs" / "ablations").glob("*.json")} - set(_BASES))


@dataclass(frozen=True)
class AblationRun:
    """One row of the table.

    Attributes:
        name: of its overlay.
        errors: by fold, (K, N) mm, of the knees kept apart.
        seconds: of the processor, by fold, that the training took; of one that was interrupted, its last part.
    """

    name: str
    errors: Mapping[int, np.ndarray]
    seconds: Mapping[int, float]


@dataclass(frozen=True)
class AblationStudy:
    """The same training with one thing changed at a time, as long for every row.

    ``configs/train.json`` and, of ``configs/ablations``, ``kneel.json``, ``coarse.json`` (where the study is coarse)
    and the row's own file are merged in this order. As in the paper (section 4.3) the region of a knee kept apart is
    cut around its labelled landmark 4; what counts is the last state of a network.

    Args:
        bundle: folder of knee_landmark_localization.
        dataset_dir: folder with images/ and landmarks.csv; empty: phantoms.
        output: folder for the runs; one that is done is not done again.
        rows: names of overlays.
        folds: those that are kept apart in turn, of five.
        coarse: whether all rows are trained in the small setting.
        training: values of other keys of train.json (``max_epochs``).
        start_bundle: folder of knee_roi_localization, for the row that starts from stage 1.

    Raises:
        KneeBundleError: if there is no such row.
    """

    bundle: Path
    dataset_dir: str
    output: Path
    rows: Sequence[str]
    folds: Sequence[int] = (0, 1)
    coarse: bool = True
    training: Mapping[str, Any] = field(default_factory=dict)
    start_bundle: Path | None = None

    def __post_init__(self) -> None:
        known = list_ablations(self.bundle)
        unknown = [row for row in self.rows if row not in known]
        if unknown:
            raise KneeBundleError(f"there is no row {unknown[0]!r}; there are {', '.join(known)}", field="rows")

    def complete(self, report: Callable[[str], None] = print) -> list[AblationRun]:
        """Do the runs that are not done yet, all rows of a fold before the next fold.

        Args:
            report: is told what is done.

        Returns:
            All runs, in the order of the rows.

        Raises:
            KneeBundleError: if the folder holds a study of other settings, or the data or the settings cannot be used.
        """
        shared = {"dataset_dir": self.dataset_dir, "coarse": self.coarse, "training": dict(self.training)}
        claim_study_folder(self.output, shared)
        for fold in self.folds:
            for row in self.rows:
                if not (self._folder(row, fold) / "errors.csv").is_file():
                    self._run(row, fold)
                    seconds = self._read_seconds(row, fold)
                    report(f"fold {fold}, {row}: trained in {seconds:.0f} s of the processor")
        return self.collect()

    def collect(self) -> list[AblationRun]:
        """Read the runs that are done; a row without any is left out."""
        runs = []
        for row in self.rows:
            done = [fold for fold in self.folds if (self._folder(row, fold) / "errors.csv").is_file()]
            errors = {fold: read_errors(self._folder(row, fold) / "errors.csv") for fold in done}
            if done:
                runs.append(AblationRun(row, errors, {fold: self._read_seconds(row, fold) for fold in done}))
        return runs

    def _folder(self, row: str, fold: int) -> Path:
        return self.output / f"{row}_fold{fold}"

    def _files(self, row: str) -> list[str]:
        overlays = [base for base in _BASES if self.coarse or base != "coarse"]
        configs = self.bundle / "configs"
        return [str(configs / "train.json"), *(str(configs / "ablations" / f"{o}.json") for o in [*overlays, row])]

    def _settings(self, row: str, fold: int) -> dict[str, Any]:
        return {
            "bundle_root": str(self.bundle),
            "dataset_dir": self.dataset_dir,
            "fold": fold,
            "output_dir": str(self._folder(row, fold)),
            "cache_dir": str(self.output / "cache"),
            "num_workers": 0,
            "main_process": False,
            **self.training,
        }

    def _run(self, row: str, fold: int) -> None:
        settings = self._settings(row, fold)
        if row == FROM_STAGE_1:
            settings["start_weights"] = str(self._train_start(fold))
        folder = self._folder(row, fold)
        weights = folder / "model_last.pt"
        if not weights.is_file():
            start = time.process_time()
            _train(self.bundle, self._files(row), settings)
            with write_atomically(folder / "seconds.txt") as temporary:
                temporary.write_text(f"{time.process_time() - start:.1f}\n", encoding="utf-8")
        parser = ConfigParser()
        parser.read_config(self._files(row))
        parser.update({key: value for key, value in settings.items() if key != "start_weights"})
        errors = _measure(parser, weights)
        phantoms = {"phantom_size": self.training["phantom_size"]} if "phantom_size" in self.training else {}
        write_errors(folder / "errors.csv", knee_records(self.dataset_dir, "validation", fold, **phantoms), errors)

    def _train_start(self, fold: int) -> Path:
        """Train stage 1, as wide and deep as the row's network, on films made of the knees that are not kept apart."""
        if self.start_bundle is None:
            raise KneeBundleError("this row needs the bundle knee_roi_localization to start from", field="rows")
        folder = self.output / f"{FROM_STAGE_1}_start_fold{fold}"
        weights = folder / "model_last.pt"
        if not weights.is_file():
            parser = ConfigParser()
            parser.read_config(self._files(FROM_STAGE_1))
            shape = {f"network_def#{k}": parser[f"network_def#{k}"] for k in ("width", "depth", "block", "dropout")}
            settings = {**shape, **self._settings(FROM_STAGE_1, fold), "output_dir": str(folder)}
            settings |= _STAGE_1 if self.coarse else {}
            settings["val_interval"] = 1 + parser.get("max_epochs")
            _train(self.start_bundle, [str(self.start_bundle / "configs" / "train.json")], settings)
        return weights

    def _read_seconds(self, row: str, fold: int) -> float:
        file = self._folder(row, fold) / "seconds.txt"
        return float(file.read_text(encoding="utf-8")) if file.is_file() else float("nan")


def _train(bundle: Path, files: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Train as ``python -m monai.bundle run training`` does; an interrupted training goes on."""
    run(
        run_id="training",
        config_file=list(files),
        meta_file=str(bundle / "configs" / "metadata.json"),
        **{"resume": True, **settings, "bundle_root": str(bundle)},
    )


def _measure(parser: ConfigParser, weights: Path) -> np.ndarray:
    """Errors (K, N) in mm of a network on the knees that its configuration validates on."""
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval()
    size_mm = parser.get_parsed_content("region_mm")
    loader = DataLoader(parser.get_parsed_content("validate#dataset"), batch_size=8)
    points, labels = [], []
    with torch.inference_mode():
        for batch in loader:
            points.append(network(batch["image"].as_subclass(torch.Tensor).float()))
            labels.append(torch.as_tensor(batch["landmarks"]))
    pred, truth = (torch.cat(parts).double().numpy() * size_mm for parts in (points, labels))
    return radial_errors(pred, truth)
