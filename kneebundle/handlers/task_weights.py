"""How the task weights of a training developed: TensorBoard, a table and a plot (Kordon et al. 2019, Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.handlers.tensorboard_handlers import TensorBoardHandler

from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically

__all__ = ["TaskWeightLog", "plot_task_weights"]


def plot_task_weights(epochs: Sequence[int], weights: np.ndarray, tasks: Sequence[str], path: Path) -> None:
    """Write a PNG with a panel a stage and a curve a task, whole or not at all.

    Args:
        epochs: (E,).
        weights: (E, stages, tasks).
        tasks: names of the tasks.
        path: of the PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stages = weights.shape[1]
    figure = Figure(figsize=(3.0 * stages + 2.0, 3.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, stages, sharey=True, squeeze=False)[0]
    for stage, panel in enumerate(panels):
        for task, name in enumerate(tasks):
            panel.plot(epochs, weights[:, stage, task], label=name, marker="." if len(epochs) == 1 else None)
        panel.set(title=f"stage {stage + 1}", xlabel="epoch", ylim=(0.0, len(tasks)))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("task weight")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")


class TaskWeightLog(TensorBoardHandler):
    """Handler of a :class:`kneebundle.training.GradNormTrainer` that keeps the weights' means of each epoch.

    After each epoch it writes them to TensorBoard (``task_weights/stage1/<task>``), with the means of the losses
    (``task_losses/stage1/<task>``), and anew into ``<stem>.csv`` (columns epoch, stage, task, weight, loss) and
    ``<stem>.png``. Put it among the objects of a :class:`ResumableCheckpoint`, so that a resumed training has the whole
    course.

    Args:
        stem: path without ending.
        summary_writer, log_dir: as of MONAI's TensorBoard handlers.
    """

    def __init__(self, stem: str | Path, summary_writer: Any = None, log_dir: str = "./runs") -> None:
        super().__init__(summary_writer, log_dir)
        self.stem = Path(stem)
        self.epochs: list[int] = []
        self.weights: list[torch.Tensor] = []
        self.losses: list[torch.Tensor] = []
        self._sums: list[tuple[torch.Tensor, torch.Tensor]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._sums.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Log the means of the epoch."""
        self.epochs.append(engine.state.epoch)
        self.weights.append(torch.stack([weights for weights, _ in self._sums]).mean(0))
        self.losses.append(torch.stack([losses for _, losses in self._sums]).mean(0))
        tasks: Sequence[str] = engine.tasks  # type: ignore[attr-defined]
        for kind, values in (("weights", self.weights[-1]), ("losses", self.losses[-1])):
            for stage, row in enumerate(values.tolist(), start=1):
                for task, value in zip(tasks, row, strict=True):
                    self._writer.add_scalar(f"task_{kind}/stage{stage}/{task}", value, engine.state.epoch)
        self._write_table(tasks)
        weights = torch.stack(self.weights).numpy()
        plot_task_weights(self.epochs, weights, tasks, self.stem.with_name(self.stem.name + ".png"))

    def state_dict(self) -> dict[str, Any]:
        """The course so far."""
        return {"epochs": list(self.epochs), "weights": list(self.weights), "losses": list(self.losses)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.epochs = list(state_dict["epochs"])
        self.weights, self.losses = list(state_dict["weights"]), list(state_dict["losses"])

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        self._sums.append((state.task_weights.cpu(), state.task_losses.cpu()))

    def _write_table(self, tasks: Sequence[str]) -> None:
        self.stem.parent.mkdir(parents=True, exist_ok=True)
        rows = []
        for epoch, weights, losses in zip(self.epochs, self.weights, self.losses, strict=True):
            for (stage, task), weight in np.ndenumerate(weights.numpy()):
                loss = float(losses[stage, task])
                rows.append([epoch, stage + 1, tasks[task], f"{float(weight):.5f}", f"{loss:.6g}"])
        write_table(self.stem.with_name(self.stem.name + ".csv"), ["epoch", "stage", "task", "weight", "loss"], rows)
