"""Pictures of a heatmap and the two factors that make it, in TensorBoard and as files (Payer et al. 2019, Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from monai.handlers.tensorboard_handlers import TensorBoardHandler
from monai.networks.utils import eval_mode

from kneebundle.io.writing import write_atomically

__all__ = ["HeatmapComponentsLogger", "compute_heatmap_components", "draw_heatmaps"]


def compute_heatmap_components(network: Any, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute what a heatmap network makes of an image.

    Args:
        network: with a ``components`` method (SpatialConfigurationNet): local appearance, spatial configuration and
            their product; any other heatmap network: its heatmaps alone.
        image: (B, C, *S).

    Returns:
        Heatmaps (B, N, *S) by name, float32 on the CPU.
    """
    network = getattr(network, "module", network)  # of DistributedDataParallel
    plain = image.as_subclass(torch.Tensor)
    with eval_mode(network):
        if hasattr(network, "components"):
            local, spatial, product = network.components(plain)
            maps = {"local appearance": local, "spatial configuration": spatial, "product": product}
        else:
            maps = {"heatmap": network(plain)}
    return {name: value.detach().float().cpu() for name, value in maps.items()}


def draw_heatmaps(
    image: np.ndarray, heatmaps: Mapping[str, np.ndarray], point: np.ndarray | None = None, height: int = 384
) -> np.ndarray:
    """Draw heatmaps side by side, each over the image: red where positive, blue where negative, clear where 0.

    Args:
        image: (H, W), any range of grey values.
        heatmaps: by name, (H, W); the colour is full at the largest absolute value of each, which stands in its title.
        point: (2,) x, y in pixels, drawn as a green ring; None or NaN: none.
        height: about that of the picture in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = height / 100
    width = inches * image.shape[1] / image.shape[0] * len(heatmaps)
    figure = Figure(figsize=(width, inches), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, (name, values) in zip(figure.subplots(1, len(heatmaps), squeeze=False)[0], heatmaps.items(), strict=True):
        reach = max(float(np.abs(values).max(initial=0.0, where=np.isfinite(values))), 1e-12)
        share = np.nan_to_num(values) / reach
        axes.imshow(image, cmap="gray")
        axes.imshow(share, cmap="bwr", vmin=-1.0, vmax=1.0, alpha=0.8 * np.abs(share))
        if point is not None and np.isfinite(point).all():
            axes.plot(*point, "o", markersize=8, markerfacecolor="none", markeredgecolor="lime")
        axes.set_title(f"{name}, up to {reach:.2g}", fontsize=8)
        axes.set_axis_off()
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


class HeatmapComponentsLogger(TensorBoardHandler):
    """Handler of an evaluator that draws local appearance, spatial configuration and their product for one landmark.

    The image is one of the first minibatch of a validation; it passes the evaluator's network once more. Of a volume
    the slice (of its first axis) is drawn in which the heatmap is highest. The signs of the two factors are free, only
    their product is asked to be positive: both may be blue at the landmark. A network without components, such as the
    localization U-Net, has its heatmap drawn alone.

    Args:
        output_dir: folder of the files ``<tag>_<epoch>.png``, made if it is not there; None: TensorBoard only.
        summary_writer: a TensorBoard writer; None: one of its own.
        log_dir: where its own writer writes.
        tag: name of the picture.
        landmark: which landmark.
        image: which image of the first minibatch.
        interval: every how many validations, beginning with the first.
        height: of the picture in pixels, about.
    """

    def __init__(
        self,
        output_dir: str | Path | None = None,
        summary_writer: Any = None,
        log_dir: str = "./runs",
        tag: str = "heatmaps",
        landmark: int = 0,
        image: int = 0,
        interval: int = 1,
        height: int = 384,
    ) -> None:
        super().__init__(summary_writer, log_dir)
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.tag = tag
        self.landmark, self.image = int(landmark), int(image)
        self.interval = int(interval)
        self.height = int(height)
        self.validations = 0

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._flush)

    def __call__(self, engine: Engine) -> None:
        """Draw the picture, at the first minibatch."""
        if engine.state.iteration != 1:
            return
        self.validations += 1
        if (self.validations - 1) % self.interval:
            return
        picture = self._draw(engine)
        self._writer.add_image(self.tag, picture, engine.state.epoch, dataformats="HWC")
        if self.output_dir is not None:
            _write_png(self.output_dir / f"{self.tag}_{engine.state.epoch:04d}.png", picture)

    def _draw(self, engine: Any) -> np.ndarray:
        output = engine.state.output
        chosen = min(self.image, len(output["image"]) - 1)
        image = output["image"][chosen : chosen + 1]
        maps = {
            name: value[0, self.landmark].numpy()
            for name, value in compute_heatmap_components(engine.network, image).items()
        }
        grey = image[0, 0].detach().float().cpu().numpy()
        label = output["label"][chosen][self.landmark].detach().float().cpu().numpy()
        point = None
        if label.shape == (grey.ndim,):  # a point, not a heatmap
            point = (label * np.array(grey.shape[::-1]) - 0.5)[:2]
        if grey.ndim == 3:
            slice_ = np.unravel_index(list(maps.values())[-1].argmax(), grey.shape)[0]
            grey, maps = grey[slice_], {name: value[slice_] for name, value in maps.items()}
        return draw_heatmaps(grey, maps, point, self.height)

    def _flush(self, engine: Engine) -> None:
        self._writer.flush()


def _write_png(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
