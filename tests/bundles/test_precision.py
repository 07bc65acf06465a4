"""Mixed precision and channels_last are options of every training, under the same names, and change little."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.autocast import needs_scaler
from tests.bundles.bundle_runs import BUNDLES, config

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def small(bundle: Path) -> dict[str, Any]:
    """Still quicker settings than the other tests of bundles have."""
    settings: dict[str, Any] = {**BUNDLES[bundle.name].small, "phantom_size": 2, "val_interval": 2}
    if "network_def#width" in settings:
        settings["network_def#depth"] = 2
    if bundle.name == "knee_parts_registration":
        settings["threshold_images"] = 1
    return settings


def trained(bundle: Path, output: Path, **settings: Any) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of a tiny epoch, and the weights after it."""
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "train.json"),
        workflow_type="train",
        logging_file=False,
        bundle_root=str(bundle),
        **{**small(bundle), "output_dir": str(output), **settings},
    )
    workflow.initialize()
    set_determinism(seed=0)  # before the network is made, as the bundle does
    trainer = workflow.parser.get_parsed_content("train#trainer")
    losses: list[float] = []

    def note(engine: Engine) -> None:
        output: Any = engine.state.output
        losses.append(output["loss"].item())

    trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
    workflow.run()
    return losses, torch.load(output / "model_last.pt", weights_only=True)


def predict(bundle: Path, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """What inference.json's network makes of one image, so that the weights must fit it."""
    content = config(bundle, "inference.json")
    parser = ConfigParser(content)
    parser.update({key: value for key, value in small(bundle).items() if key.split("#")[0] in content})
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(weights)
    ramp = torch.linspace(-1, 1, 256).expand(1, 1, 256, 256)
    with torch.inference_mode():
        return network(ramp * ramp.mT)


@pytest.mark.parametrize("name", BUNDLES)
def test_both_are_on_top_and_everything_looks_there(name: str, repository: Path) -> None:
    content = config(repository / "bundles" / name, "train.json")
    tunables = list(content)[: list(content).index("device")]
    assert {"precision", "channels_last"} <= set(tunables)
    assert content["memory_format"] == "$torch.channels_last if @channels_last else torch.contiguous_format"
    learns = content.get("whole_network", content["network"])
    assert learns.endswith(".to(@device, memory_format=@memory_format)")
    seen = content["train"]["inferer"] if "whole_network" in content else content["train"]["features"]
    assert "'dtype': '@precision'" in str(seen)
    assert "'memory_format': '@memory_format'" in str(seen)
    assert content["train"]["trainer"].get("amp", "") in ("$needs_scaler(@precision, @device)", "")
    assert ("amp" in content["train"]["trainer"]) == ("whole_network" in content), (
        "features are frozen, nothing to scale"
    )


@pytest.mark.parametrize("name", BUNDLES)
def test_a_training_in_bfloat16_and_channels_last_is_about_that_in_float32(
    name: str, repository: Path, tmp_path: Path
) -> None:
    bundle = repository / "bundles" / name
    plain, _ = trained(bundle, tmp_path / "plain", precision=None, channels_last=False)
    mixed, weights = trained(bundle, tmp_path / "mixed", precision="bfloat16", channels_last=True)
    assert mixed == pytest.approx(plain, rel=0.25)
    assert bool(predict(bundle, weights).isfinite().all())


@CUDA
@pytest.mark.parametrize("name", BUNDLES)
def test_a_training_in_float16_scales_its_gradients_and_resumes(name: str, repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / name
    plain, _ = trained(bundle, tmp_path / "plain", precision=None, channels_last=False)
    half, weights = trained(bundle, tmp_path / "half", precision="float16", channels_last=True)
    assert half == pytest.approx(plain, rel=0.25)
    again, _ = trained(bundle, tmp_path / "half", precision="float16", channels_last=True, resume=True, max_epochs=2)
    assert all(map(math.isfinite, half + again))
    assert all(bool(weight.isfinite().all()) for key, weight in weights.items() if key != "landmarks")
    checkpoint = torch.load(tmp_path / "half" / "checkpoint.pt", weights_only=True)
    assert ("scaler" in checkpoint) == (name != "knee_parts_registration")


def test_float16_is_not_for_training_on_a_processor() -> None:
    processor, graphics = torch.device("cpu"), torch.device("cuda:0")
    assert not needs_scaler(None, processor)
    assert not needs_scaler("bfloat16", graphics)
    assert needs_scaler("float16", graphics)
    with pytest.raises(
        KneeBundleError, match="float16 is for training on CUDA, the device is cpu; set precision to auto"
    ):
        needs_scaler("float16", processor)
