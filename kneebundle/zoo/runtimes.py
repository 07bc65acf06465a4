"""Export a network as a file that runs without this package: TorchScript or ONNX, compared with the network."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from monai.networks.utils import convert_to_onnx, convert_to_torchscript
from torch import nn

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = ["FORMATS", "OPSET", "TOLERANCE", "check_format", "export_network"]

FORMATS = {"torchscript": ".ts", "onnx": ".onnx"}
"""The file's suffix of each format."""

TOLERANCE = 1e-4
"""Largest difference, of any element, between what a file predicts and what its network does."""

OPSET = 18
"""Of ONNX's operators."""

_INPUT, _OUTPUT = "image", "pred"


def check_format(name: str) -> None:
    """Check that a format is known and the packages that it needs are there.

    Raises:
        KneeBundleError: if not.
    """
    if name not in FORMATS:
        raise KneeBundleError(f"networks are exported as {' and '.join(FORMATS)}, got {name!r}")
    missing = [package for package in ("onnx", "onnxruntime") if name == "onnx" and find_spec(package) is None]
    if missing:
        raise KneeBundleError(f"ONNX needs {' and '.join(missing)}, not installed here: pip install onnx onnxruntime")


def export_network(
    network: nn.Module,
    images: Sequence[torch.Tensor],
    path: Path,
    properties: Mapping[str, Any],
    opset: int = OPSET,
) -> float:
    """Write a network as TorchScript (``.ts``) or ONNX, and compare the file's predictions with the network's.

    TorchScript is scripted, so it takes all that the network takes; it carries the properties in the extra file
    ``metadata.json``, from which MONAI's ``load_net_with_metadata`` reads them. ONNX is traced: batches of any size,
    images of the size of the first example only; input ``image``, output ``pred``. Its ``metadata_props`` are the
    properties, those that are no text as JSON. MONAI's ``bundle.onnx_export`` and ``ckpt_export`` do neither of the
    two: no file is compared or carries properties of its own, and a failure leaves half a file.

    Args:
        network: on the CPU; one input, one output, both tensors.
        images: examples (B, C, *S), on which the predictions are compared.
        path: the file; its folder is made if need be.
        properties: what a user of the file has to know, each a text or something for JSON.
        opset: of ONNX's operators.

    Returns:
        The largest difference between the file's predictions and the network's, at most :data:`TOLERANCE`.

    Raises:
        KneeBundleError: for another suffix, a network that cannot be exported, or a larger difference. Then no file is
            written, and one that was there stays.
    """
    formats = {suffix: name for name, suffix in FORMATS.items()}
    if path.suffix not in formats:
        raise KneeBundleError(f"a file of a network ends in {' or '.join(formats)}", path)
    check_format(formats[path.suffix])
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        try:
            # what the exporters warn of, shapes taken for constants, is what the comparison would find
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if path.suffix == ".ts":
                    _write_torchscript(network, temporary, properties)
                else:
                    _write_onnx(network, images[0], temporary, properties, opset)
        except OSError:
            raise
        except Exception as error:
            raise KneeBundleError(
                f"this network cannot be exported ({error}); change it, or the opset", path
            ) from error
        difference = _difference(network, _runner(temporary), images)
        if not difference <= TOLERANCE:
            raise KneeBundleError(
                f"the file's predictions differ from the network's by {difference:.1e}, more than {TOLERANCE:.0e}, so "
                "it was not written; try another opset, or another version of onnxruntime or PyTorch",
                path,
            )
    return difference


def _write_torchscript(network: nn.Module, path: Path, properties: Mapping[str, Any]) -> None:
    scripted = convert_to_torchscript(network)
    content = io.BytesIO()  # PyTorch ends the process where it cannot write to a file
    save_net_with_metadata(scripted, content, include_config_vals=False, meta_values=dict(properties))
    path.write_bytes(content.getvalue())


def _write_onnx(network: nn.Module, image: torch.Tensor, path: Path, properties: Mapping[str, Any], opset: int) -> None:
    import onnx

    # two images, since a 1 may be taken for a constant; dynamo=True takes minutes where this takes seconds, for the
    # same graph
    model = convert_to_onnx(
        network,
        [image[:1].repeat(2, *[1] * (image.ndim - 1))],
        input_names=[_INPUT],
        output_names=[_OUTPUT],
        dynamic_axes={_INPUT: {0: "batch"}, _OUTPUT: {0: "batch"}},
        opset_version=opset,
        dynamo=False,
    )
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in properties.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _runner(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """What runs a file, as its users do."""
    if path.suffix == ".ts":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _unoptimized(torch.jit.load(str(path), map_location="cpu"))
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run([_OUTPUT], {_INPUT: image.numpy()})[0])


def _unoptimized(scripted: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Optimizing takes TorchScript many times as long as the few images that are asked here."""

    def run(image: torch.Tensor) -> torch.Tensor:
        with torch.jit.optimized_execution(False):
            return scripted(image)

    return run


@torch.inference_mode()
def _difference(
    network: nn.Module, run: Callable[[torch.Tensor], torch.Tensor], images: Sequence[torch.Tensor]
) -> float:
    """The largest difference of any element; infinite where shapes differ, NaN where an output has one."""
    worst = 0.0
    for image in images:
        expected, found = network(image), run(image)
        if expected.shape != found.shape:
            return float("inf")
        worst = max(worst, float((expected - found).abs().max()), key=lambda d: float("inf") if d != d else d)
    return worst
