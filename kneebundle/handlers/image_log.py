"""A picture of predicted and true points in TensorBoard after each validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from monai.handlers.tensorboard_handlers import TensorBoardHandler

__all__ = ["LandmarkImageLogger", "draw_landmarks"]

TRUE_COLOR = (80, 220, 100)
PRED_COLOR = (255, 70, 70)


def draw_landmarks(image: np.ndarray, pred: np.ndarray, truth: np.ndarray, height: int = 384) -> np.ndarray:
    """Draw true points as green rings and predictions as red crosses, joined by a line, on a grey image.

    Args:
        image: (H, W), any range of grey values.
        pred: (N, 2) in pixels of the image, x then y, pixel centres at integers.
        truth: (N, 2), the same; points that are not finite are left out.
        height: of the picture in pixels; the image is enlarged or reduced to it.

    Returns:
        (height, width, 3) uint8.
    """
    from PIL import Image, ImageDraw

    zoom = height / image.shape[0]
    low, high = float(image.min()), float(image.max())
    grey = np.uint8(255 * (image - low) / max(high - low, 1e-6))
    size = (max(1, round(image.shape[1] * zoom)), height)
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for predicted, labelled in zip((pred + 0.5) * zoom - 0.5, (truth + 0.5) * zoom - 0.5, strict=True):
        _draw_pair(draw, predicted, labelled)
    return np.asarray(picture)


def _draw_pair(draw: Any, predicted: np.ndarray, labelled: np.ndarray, reach: float = 3.0) -> None:
    both = np.isfinite(predicted).all() and np.isfinite(labelled).all()
    if both:
        draw.line([*predicted, *labelled], fill=PRED_COLOR)
    if np.isfinite(labelled).all():
        x, y = labelled
        draw.ellipse([x - reach, y - reach, x + reach, y + reach], outline=TRUE_COLOR)
    if np.isfinite(predicted).all():
        x, y = predicted
        draw.line([x - reach, y - reach, x + reach, y + reach], fill=PRED_COLOR)
        draw.line([x - reach, y + reach, x + reach, y - reach], fill=PRED_COLOR)


class LandmarkImageLogger(TensorBoardHandler):
    """Handler of an evaluator that draws the first images of each validation with predicted and true points.

    It looks at the engine's output right after the forward pass, before it is decollated and post-processed, so it
    always sees normalised points: x * width - 0.5 is the pixel. A third column, such as a confidence, is left out.

    Args:
        summary_writer: a TensorBoard writer; None: one of its own.
        log_dir: where its own writer writes.
        tag: name of the picture.
        max_images: how many images, side by side; no more than the first minibatch has.
        height: of the picture in pixels.
    """

    def __init__(
        self,
        summary_writer: Any = None,
        log_dir: str = "./runs",
        tag: str = "landmarks",
        max_images: int = 4,
        height: int = 384,
    ) -> None:
        super().__init__(summary_writer, log_dir)
        self.tag = tag
        self.max_images = max_images
        self.height = height

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._flush)

    def __call__(self, engine: Engine) -> None:
        """Draw the picture, at the first minibatch."""
        if engine.state.iteration != 1:
            return
        output: Any = engine.state.output
        images, pred, truth = (_to_array(output[key])[: self.max_images] for key in ("image", "pred", "label"))
        size = np.array(images.shape[:1:-1])
        panels = [
            draw_landmarks(image[0], points[:, :2] * size - 0.5, labels * size - 0.5, self.height)
            for image, points, labels in zip(images, pred, truth, strict=True)
        ]
        self._writer.add_image(self.tag, np.concatenate(panels, axis=1), engine.state.epoch, dataformats="HWC")

    def _flush(self, engine: Engine) -> None:
        self._writer.flush()


def _to_array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
