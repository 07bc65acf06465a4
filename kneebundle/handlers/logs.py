"""What every training and validation logs: numbers in the log and in TensorBoard, and a progress bar on a terminal."""

from __future__ import annotations

from typing import Any

from monai.handlers import StatsHandler, TensorBoardStatsHandler

from kneebundle.handlers.progress import Progress

__all__ = ["training_logs", "validation_logs"]


def training_logs(log_dir: str, enabled: bool = True) -> list[Any]:
    """Make the handlers of a trainer that log its loss after each iteration, and the metrics if it has some.

    Args:
        log_dir: of TensorBoard.
        enabled: False for all but the main process: no handlers.

    Returns:
        MONAI's StatsHandler and TensorBoardStatsHandler, and a :class:`Progress` bar.
    """
    if not enabled:
        return []
    loss: dict[str, Any] = {"tag_name": "train_loss", "output_transform": lambda output: output["loss"].item()}
    return [StatsHandler(iteration_log=False, **loss), TensorBoardStatsHandler(log_dir=log_dir, **loss), Progress()]


def validation_logs(log_dir: str, enabled: bool = True) -> list[Any]:
    """Make the handlers of an evaluator that log its metrics, after each validation.

    Args:
        log_dir: of TensorBoard.
        enabled: False for all but the main process: no handlers.

    Returns:
        MONAI's StatsHandler and TensorBoardStatsHandler.
    """
    if not enabled:
        return []
    return [StatsHandler(iteration_log=False), TensorBoardStatsHandler(log_dir=log_dir, iteration_log=False)]
