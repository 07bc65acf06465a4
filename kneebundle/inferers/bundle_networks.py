"""The networks of a bundle and the transforms of their input, as its inference.json describes them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from monai.bundle.config_item import ComponentLocator
from monai.bundle.config_parser import ConfigParser
from monai.transforms import Compose

from kneebundle import __version__
from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.inferers.runtime import ExportedNetwork, choose_runtime
from kneebundle.results import ModelInfo

__all__ = ["BundleNetworks", "load_bundle_config", "load_weights", "find_weights"]


def find_weights(root: Path, ensemble: bool = False) -> list[Path]:
    """Find the weights that a bundle predicts with.

    Args:
        root: folder of the bundle.
        ensemble: all of ``models/model_fold*.pt``, where there are any, in place of ``models/model.pt``.

    Raises:
        KneeBundleError: if there are none.
    """
    folds = sorted((root / "models").glob("model_fold*.pt")) if ensemble else []
    files = folds or [root / "models" / "model.pt"]
    if not files[0].is_file():
        raise KneeBundleError(
            "the bundle has no weights; train it or install a release that carries models/model.pt", root, "weights"
        )
    return files


def load_bundle_config(root: Path, device: torch.device, settings: Mapping[str, Any] | None = None) -> ConfigParser:
    """Load inference.json of a bundle with its metadata, ready to be parsed.

    Args:
        root: folder of the bundle.
        device: ``device`` in it.
        settings: other values for its keys.

    Raises:
        KneeBundleError: if there is none.
    """
    config = root / "configs" / "inference.json"
    if not config.is_file():
        raise KneeBundleError("there is no configs/inference.json; is this a bundle?", root, "bundles")
    parser = ConfigParser()
    parser.locator = _locate_components()
    parser.read_config(str(config))
    parser.read_meta(str(root / "configs" / "metadata.json"))
    parser.update({"bundle_root": str(root), "device": device, **(settings or {})})
    return parser


def load_weights(network: torch.nn.Module, file: Path) -> None:
    """Load the weights of a file into a network.

    Raises:
        KneeBundleError: if they are of another network.
    """
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a damaged file makes torch say
        raise KneeBundleError(
            f"the weights do not fit the bundle's network ({in_brief(error)}); use those made for it", file, "weights"
        ) from error


class BundleNetworks:
    """A bundle with its weights, one network a weight file.

    The weights are ``models/model.pt``, or the networks of all folds where inference.json says ``"ensemble": true``.
    Where it names a ``"runtime"``, that one is what ``"auto"`` means.

    Args:
        root: folder of the bundle.
        device: where the networks run.
        weights: other weight files than the bundle's own.
        settings: other values for keys of inference.json, as on MONAI's command line (``{"spacing_mm": 1.08}``).
        runtime: one of :data:`kneebundle.inferers.runtime.RUNTIMES`; by default torch.
        precision: ``"bfloat16"``, ``"float16"`` or ``"float32"``; None: what inference.json says.

    Attributes:
        config: inference.json, parsed.
        prepare: the bundle's ``region_transforms``.
        infer: its ``inferer``.
        networks: what ``infer`` calls: modules on the device in evaluation mode, or exported networks, which are loaded
            by their first call.
        info: what goes into reports.

    Raises:
        KneeBundleError: if the bundle has no configuration or no weights, or the runtime is not there.
    """

    def __init__(
        self,
        root: Path,
        device: torch.device,
        weights: Sequence[Path] | None = None,
        settings: Mapping[str, Any] | None = None,
        runtime: str = "torch",
        precision: str | None = None,
    ) -> None:
        wanted = dict(settings or {})
        if precision is not None:
            wanted["precision"] = None if precision == "float32" else precision
        self.config = load_bundle_config(root, device, wanted)
        self.device = device
        self.prepare = Compose(self.config.get_parsed_content("region_transforms"))
        self.infer: Any = self.config.get_parsed_content("inferer")
        files = list(weights) if weights else find_weights(root, bool(self.config.get("ensemble")))
        contents = [file.read_bytes() for file in files]
        stated = self.config.get_parsed_content("precision") if "precision" in self.config else None
        own = self.config.get("runtime") if runtime == "auto" else None  # of what no other runtime can run
        chosen = choose_runtime(own or runtime, device, stated)
        if chosen == "torch":
            self.networks: list[Any] = [self._load(file) for file in files]
        else:
            self.networks = [
                ExportedNetwork(partial(self._load, file), self._identify(content), chosen, strict=runtime != "auto")
                for file, content in zip(files, contents, strict=True)
            ]
        metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        self.info = ModelInfo(root.name, str(metadata["version"]), hashlib.sha256(b"".join(contents)).hexdigest())

    def _load(self, file: Path) -> Any:
        network: Any = copy.deepcopy(self.config.get_parsed_content("network_def"))
        load_weights(network, file)
        return network.to(self.device, memory_format=torch.channels_last).eval()

    def _identify(self, weights: bytes) -> str:
        """What tells a network from all others: its weights, the settings that define it, the code that makes it."""
        settings = {k: v for k, v in self.config.get().items() if k not in ("_meta_", "bundle_root", "device")}
        return f"{hashlib.sha256(weights).hexdigest()} {json.dumps(settings, default=str)} {__version__}"


@cache
def _locate_components() -> ComponentLocator:
    """One for all bundles, since each anew would look through all of MONAI."""
    return ComponentLocator(excludes=())
