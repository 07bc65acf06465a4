"""What the benchmark of speed times inside a process of its own, here or with another checkout of this package.

``scripts/benchmark`` runs this file by its path with the Python of the checkout that is measured, so it imports nothing
but what older states have too, and only where it is used. A job prints one line of JSON: the medians of the wall and
the processor seconds an image, and what else it found.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["JOBS"]

REFERENCE_FOLDS = 5
_LEAST_PX = 256.0
REGION_PX = 467
"""The paper's region: 140 mm at 0.3 mm."""


class _Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.processor


def _time(run: Callable[[], object], images: int, repeats: int) -> dict[str, float]:
    """Medians an image, after one run that is not counted."""
    from statistics import median

    run()
    measured = []
    for _ in range(repeats):
        clock = _Clock()
        run()
        measured.append(clock.read())
    return {"wall": median(w for w, _ in measured) / images, "processor": median(p for _, p in measured) / images}


def _reference_network(seed: int = 0) -> Any:
    """The paper's network with random weights: width 24, depth 6."""
    import torch

    from kneebundle.networks import HourglassLandmarkNet

    torch.manual_seed(seed)
    return HourglassLandmarkNet(16, width=24, depth=6).eval()


def _find_bundle(name: str) -> Path:
    """The bundle of the checkout, or of the installed package, whose Python this is."""
    import kneebundle

    package = Path(kneebundle.__file__).parent
    return next(path for path in (package.parent / "bundles" / name, package / "_bundles" / name) if path.is_dir())


def _count_operations(network: Any, image: Any) -> float:
    """Additions and multiplications of one forward, of one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return float(counter.get_total_flops()) / len(image)


def run_reference_network(batch: int, repeats: int) -> dict[str, float]:
    """A forward of the reference's network, eager in float32."""
    import torch

    network, image = _reference_network(), torch.randn(batch, 1, REGION_PX, REGION_PX)
    with torch.inference_mode():
        times = _time(lambda: network(image), batch, repeats)
    return {**times, "operations": _count_operations(network, image[:1])}


def run_bundle_network(batch: int, repeats: int, bundle: str = "knee_landmark_localization") -> dict[str, float]:
    """A forward of all networks of a bundle by the runtime that predict chooses."""
    import torch

    from kneebundle.inferers import BundleNetworks

    options: dict[str, Any] = {"runtime": "auto"} if "runtime" in inspect.signature(BundleNetworks).parameters else {}
    networks = BundleNetworks(_find_bundle(bundle), torch.device("cpu"), **options)
    edge = round(float(networks.config.get_parsed_content("region_mm")) / networks.config.get("spacing_mm"))
    image = torch.randn(batch, 1, edge, edge)
    with torch.inference_mode():
        times = _time(lambda: [networks.infer(image, network) for network in networks.networks], batch, repeats)
        module = networks.config.get_parsed_content("network_def").eval()
    operations = _count_operations(module, image[:1]) * len(networks.networks)
    return {**times, "operations": operations, "networks": len(networks.networks)}


def run_reference_films(folder: str, output: str) -> dict[str, float]:
    """Predict films as the paper does: two stages, five folds each, one region at a time; JSON, CSV and a picture.

    The weights are random, so the joint is taken to be in the middle of each half.
    """
    import torch

    from kneebundle.io.reading import read_radiograph
    from kneebundle.transforms.halves import crop_half
    from kneebundle.transforms.roi import crop_roi, image_center_mm

    folds = [_reference_network(seed) for seed in range(REFERENCE_FOLDS)]
    films = sorted(Path(folder).glob("*.dcm"))
    clock, rows = _Clock(), []
    for path in films:
        film = read_radiograph(path)
        image, knees = film.to_metatensor(), []
        for side in ("R", "L"):
            half = crop_half(image, side)
            with torch.inference_mode():
                middle = image_center_mm(half)
                tall = max(_LEAST_PX, half.shape[1] * float(half.affine[0, 0]))
                _predict(folds, _normalize(crop_roi(image, middle, (tall, _LEAST_PX), 1.0, "zeros")))
                points = _predict(folds, _normalize(crop_roi(image, middle, 140.0, 0.3, "zeros")))
            knees.append({"side": side, "landmarks": points.tolist()})
            rows += [f"{path.name},{side},{k},{x:.2f},{y:.2f}" for k, (x, y) in enumerate(points.tolist())]
        (Path(output) / f"{path.stem}.json").write_text(json.dumps({"path": path.name, "knees": knees}))
        _draw(film.pixels, knees, Path(output) / f"{path.stem}.png")
    (Path(output) / "landmarks.csv").write_text("\n".join(["path,side,landmark,x,y", *rows]))
    wall, processor = clock.read()
    return {"wall": wall / len(films), "processor": processor / len(films)}


def _normalize(image: Any) -> Any:
    """Clip at two percentiles and scale to [-1, 1], in pixels that the network's poolings allow."""
    import torch

    values = torch.as_tensor(image).as_subclass(torch.Tensor).float()
    low, high = torch.quantile(values.flatten()[::7], torch.tensor([0.01, 0.99])).tolist()
    return ((values - low) / max(high - low, 1e-6)).clamp(0, 1)[None] * 2 - 1


def _predict(folds: list[Any], image: Any) -> Any:
    import torch

    return torch.stack([network(image)[0] for network in folds]).mean(0)


def _draw(pixels: Any, knees: list[dict[str, Any]], path: Path) -> None:
    import numpy as np
    from PIL import Image, ImageDraw

    grey = np.clip((pixels - pixels.min()) / max(float(np.ptp(pixels)), 1e-6) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for knee in knees:
        for x, y in knee["landmarks"]:
            left, top = x * picture.width, y * picture.height
            pen.ellipse((left - 4, top - 4, left + 4, top + 4), outline=(255, 200, 0))
    picture.save(path)


def _training_config(output: str, images: int, epochs: int, batch: int) -> Any:
    """train.json of the landmark bundle, with drawn knees, in one process, and no validation in between."""
    from monai.bundle import ConfigParser

    root = _find_bundle("knee_landmark_localization")
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "train.json"))
    parser.read_meta(str(root / "configs" / "metadata.json"))
    settings = {
        "phantom_size": images,
        "max_epochs": epochs,
        "batch_size": batch,
        "output_dir": output,
        "num_workers": 0,
    }
    parser.update({"bundle_root": str(root), "val_interval": epochs + 1, "main_process": False, **settings})
    return parser


def run_training(output: str, images: int, epochs: int, batch: int) -> dict[str, float]:
    """Train as train.json says; an image of all epochs but the first, and the wall seconds until the first step."""
    from ignite.engine import Events

    begun = _Clock()
    trainer = _training_config(output, images, epochs, batch).get_parsed_content("train#trainer")
    clocks: list[tuple[float, float]] = []
    first: list[float] = []
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: clocks.append(begun.read()))
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=1), lambda: first.append(begun.read()[0]))
    trainer.run()
    steps = images // batch * batch * (epochs - 1)
    wall, processor = (end - start for start, end in zip(clocks[0], clocks[-1], strict=True))
    return {"wall": wall / steps, "processor": processor / steps, "first_step": first[0]}


def run_plain_training(output: str, images: int, epochs: int, batch: int) -> dict[str, float]:
    """The plain loop: each image prepared anew each time, one after the other; network contiguous, eager, float32."""
    import torch
    from monai.transforms import Compose

    begun = _Clock()
    parser = _training_config(output, images, epochs, batch)
    parser.update({"channels_last": False, "train#dataset#_target_": "monai.data.Dataset"})
    content = parser.get("train#dataset")
    parser.update({"train#dataset": {key: content[key] for key in ("_target_", "data", "transform")}})
    dataset = parser.get_parsed_content("train#dataset")
    prepare = Compose(list(dataset.transform.transforms))
    network, loss = parser.get_parsed_content("network").train(), parser.get_parsed_content("loss")
    optimizer = parser.get_parsed_content("optimizer")
    clocks: list[tuple[float, float]] = []
    first: list[float] = []
    for _ in range(epochs):
        for start in range(0, images // batch * batch, batch):
            items = [prepare(dict(record)) for record in dataset.data[start : start + batch]]
            pictures, points = (torch.stack([item[key] for item in items]) for key in ("image", "landmarks"))
            optimizer.zero_grad()
            loss(network(pictures, with_confidence=True), points).backward()
            optimizer.step()
            first = first or [begun.read()[0]]
        clocks.append(begun.read())
    steps = images // batch * batch * (epochs - 1)
    wall, processor = (end - start for start, end in zip(clocks[0], clocks[-1], strict=True))
    return {"wall": wall / steps, "processor": processor / steps, "first_step": first[0]}


JOBS: dict[str, Callable[..., dict[str, float]]] = {
    "reference_network": run_reference_network,
    "bundle_network": run_bundle_network,
    "reference_films": run_reference_films,
    "training": run_training,
    "plain_training": run_plain_training,
}
"""By name; each takes keyword arguments that JSON can hold."""


if __name__ == "__main__":
    logging.disable(logging.INFO)
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
