"""The files that the planning bundle writes when it runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor

from kneebundle.batch.names import output_names
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table
from kneebundle.landmarks import BONES
from kneebundle.measurements.schoettle import SchoettlePlan
from kneebundle.pipelines.lateral import make_bone_masks, plan_on_radiograph
from kneebundle.pipelines.lateral_check import check_lateral
from kneebundle.radiograph import Radiograph
from kneebundle.reports.lateral_overlay import write_lateral_overlay
from kneebundle.reports.masks import write_masks
from kneebundle.results import LateralResult
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["PlanningFiles"]


class PlanningFiles:
    """Handler of an evaluator that writes the masks, an overlay and the landmarks of every lateral film.

    In the output folder, ``<stem>_<bone>.png`` is 255 on the bone, ``<stem>.png`` shows bones, lines and Schoettle
    point, and ``landmarks.csv`` has the columns path, landmark (0: p_blum, 1: p_tmc), x_px, y_px (pixels of the file as
    it is stored), confidence. A film that does not look like a lateral knee has no masks and no landmarks; its overlay
    says why. The measuring sphere is not looked for: :class:`~kneebundle.pipelines.LateralPipeline` does that.

    Args:
        output_dir: the output folder; it is made if it is not there.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)
        self.rows: list[list[Any]] = []
        self.names: dict[str, str] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write_table)

    def _start(self, engine: Engine) -> None:
        self.rows.clear()
        self.output_dir.mkdir(parents=True, exist_ok=True)
        loader: Any = engine.state.dataloader
        paths = [str(record["image"]) for record in loader.dataset.data]
        self.names = dict(zip(paths, output_names([Path(path) for path in paths]), strict=True))

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        predictions: Any = engine.state.output
        for item, output in zip(batch, predictions, strict=True):
            path, spacing = str(item["path"]), tuple(float(s) for s in item["image_spacing_mm"])
            affine = torch.as_tensor(item["image"].affine, dtype=torch.float64).cpu()
            self._write_film(path, spacing, MetaTensor(torch.as_tensor(output["pred"]).float().cpu(), affine=affine))

    def _write_film(self, path: str, spacing_mm: tuple[float, ...], maps: MetaTensor) -> None:
        film = read_radiograph(Path(path), spacing_mm=spacing_mm[0], view="lateral")
        result = _make_result(film, maps)
        name = self.names[path]
        write_masks(result, self.output_dir, name)
        write_lateral_overlay(result, self.output_dir / f"{name}.png")
        if result.landmarks is not None and result.landmarks.confidence is not None:
            stored = film.to_stored_px(result.landmarks.points)
            for number, ((x, y), confidence) in enumerate(zip(stored, result.landmarks.confidence, strict=True)):
                self.rows.append([path, number, f"{x:.3f}", f"{y:.3f}", f"{confidence:.4f}"])

    def _write_table(self) -> None:
        write_table(self.output_dir / "landmarks.csv", ["path", "landmark", "x_px", "y_px", "confidence"], self.rows)


def _make_result(film: Radiograph, maps: MetaTensor) -> LateralResult:
    reason = check_lateral(maps.as_tensor().numpy(), pixel_spacing(maps))
    if reason is not None:
        nothing = {bone: np.zeros(film.pixels.shape, dtype=bool) for bone in BONES}
        return LateralResult(film, nothing, None, SchoettlePlan(film.spacing_mm, refused=reason))
    landmarks, plan = plan_on_radiograph(maps, film)
    return LateralResult(film, make_bone_masks(maps, film), landmarks, plan)
