"""Export the networks of a bundle for other runtimes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch.nn import functional

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.bundle_networks import BundleNetworks
from kneebundle.io.own_files import hold_files
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.normalize import NormalizePercentilesd
from kneebundle.zoo.runtimes import FORMATS, OPSET, check_format, export_network

__all__ = ["ExportedFile", "export_bundle"]

_BATCHES = (1, 3)
_CLOUD_PX = 16


@dataclass(frozen=True)
class ExportedFile:
    """A network in another runtime's format.

    Attributes:
        path: of the file.
        difference: the largest between its predictions and the network's.
    """

    path: Path
    difference: float


def export_bundle(
    root: Path,
    output: Path,
    formats: Sequence[str] = tuple(FORMATS),
    weights: Path | None = None,
    folds: bool = False,
    opset: int = OPSET,
) -> list[ExportedFile]:
    """Write the network of a bundle as TorchScript and ONNX, ``<bundle>.ts`` and ``<bundle>.onnx``.

    Each file is compared with the network, in batches of 1 and 3, on random images and on one drawn like those that the
    bundle trains on without data; see :func:`kneebundle.zoo.runtimes.export_network`. What it says of itself is in
    :func:`_describe`.

    Args:
        root: the bundle's folder.
        output: folder for the files; made if need be.
        formats: some of :data:`~kneebundle.zoo.runtimes.FORMATS`.
        weights: others than models/model.pt. Networks of other settings need a bundle whose inference.json and
            train.json say so.
        folds: write the networks of cross-validation, models/model_fold*.pt, too, as ``<bundle>_fold<k>``.
        opset: of ONNX's operators.

    Raises:
        KneeBundleError: if the bundle lacks configurations or weights, the weights are of another network, or a file
            would predict otherwise than its network. Or if another file of one of the names is there.
    """
    for name in formats:
        check_format(name)
    files = _find_weights(root, weights, folds)
    images = _make_examples(_draw_image(root))
    exported = []
    names = {file: [f"{_name_file(root, file)}{FORMATS[name]}" for name in formats] for file in files}
    with hold_files(output, [name for own in names.values() for name in own], _is_exported) as aside:
        for file in files:
            bundle = BundleNetworks(root, torch.device("cpu"), [file])
            network = bundle.networks[0].to(memory_format=torch.contiguous_format)
            properties = _describe(bundle, file, images[0])
            for name in names[file]:
                difference = export_network(network, images, aside / name, properties, opset)
                exported.append(ExportedFile(output / name, difference))
    return exported


def _is_exported(path: Path) -> bool:
    """Whether a file has the properties that an exported network carries."""
    return path.is_file() and b"weights_sha256" in path.read_bytes()


def _find_weights(root: Path, weights: Path | None, folds: bool) -> list[Path]:
    files = [weights or root / "models" / "model.pt", *(sorted(root.glob("models/model_fold*.pt")) if folds else [])]
    for file in files:
        if not file.is_file():
            raise KneeBundleError("there are no such weights; train the bundle, or use others", file, "weights")
    return files


def _name_file(root: Path, weights: Path) -> str:
    """<bundle> for model.pt, <bundle>_fold0 for model_fold0.pt, <bundle>_<name> for other names."""
    own = weights.stem if weights.stem.startswith("model") else f"model_{weights.stem}"
    return root.name + own.removeprefix("model")


def _describe(bundle: BundleNetworks, weights: Path, image: torch.Tensor) -> dict[str, Any]:
    """What a user of the file has to know.

    ``bundle``, ``version``, ``weights`` and ``weights_sha256`` say what it is; ``input_size`` (rows, columns),
    ``spacing_mm`` and ``region_mm`` (null: the whole image is fitted to the size, whatever its spacing),
    ``normalization``, ``left_mirrored`` (left knees are mirrored first) and ``fill_mode`` (what is beyond the
    radiograph) what image it takes; ``network_data_format``, that of the bundle's metadata, the value ranges and the
    channels' names.
    """
    metadata = bundle.config.get("_meta_")
    normalize = next(step for step in bundle.prepare.transforms if isinstance(step, NormalizePercentilesd))
    return {
        "bundle": bundle.info.bundle,
        "version": bundle.info.version,
        "weights": weights.name,
        "weights_sha256": bundle.info.sha256,
        "name": metadata["name"],
        "description": metadata["description"],
        "intended_use": metadata["intended_use"],
        "copyright": metadata["copyright"],
        "input_size": list(image.shape[2:]),
        "spacing_mm": bundle.config.get("spacing_mm"),
        "region_mm": bundle.config.get("region_mm"),
        "normalization": f"grey values clipped at the percentiles {normalize.lower:g} and {normalize.upper:g} "
        "of the radiograph's pixels, then scaled to [-1, 1]",
        "left_mirrored": any(isinstance(step, MirrorLeftd) for step in bundle.prepare.transforms),
        "fill_mode": bundle.config.get("fill_mode"),
        "network_data_format": metadata["network_data_format"],
    }


def _draw_image(root: Path) -> torch.Tensor:
    """An image (1, C, H, W) as the bundle's training sees it where it is given no data."""
    train = root / "configs" / "train.json"
    if not train.is_file():
        raise KneeBundleError("there is no configs/train.json, which says what images the network sees", root)
    parser = ConfigParser()
    parser.read_config(str(train))
    with tempfile.TemporaryDirectory() as scratch:
        few = {"dataset_dir": "", "phantom_size": 2, "fold": 0, "folds": 2}
        parser.update({"bundle_root": str(root), "output_dir": scratch, **few})
        item = parser.get_parsed_content("validate#dataset")[0]
    return torch.as_tensor(item["image"]).as_subclass(torch.Tensor).float().unsqueeze(0)


def _make_examples(drawn: torch.Tensor) -> list[torch.Tensor]:
    """Batches of 1 and 3: of the drawn image, as it is, mirrored and darkened, and of random clouds, all in [-1, 1].

    Clouds, because in white noise, which no radiograph is like, deep networks in float32 differ from themselves by
    almost the tolerance.
    """
    random = torch.Generator().manual_seed(0)
    several = torch.cat([drawn, drawn.flip(-1), drawn * 0.5 - 0.5])
    coarse = [max(1, side // _CLOUD_PX) for side in drawn.shape[2:]]
    noise = torch.rand(sum(_BATCHES), drawn.shape[1], *coarse, generator=random) * 2 - 1
    clouds = functional.interpolate(noise, size=drawn.shape[2:], mode="bilinear")
    return [several[:1], several, *clouds.split(list(_BATCHES))]
