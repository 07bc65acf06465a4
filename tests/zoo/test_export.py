"""Bundles as TorchScript and ONNX: what is written, what it says of itself, and that nothing else is kept."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import load_net_with_metadata

from kneebundle.cli.entry import cli, get_command
from kneebundle.errors import KneeBundleError
from kneebundle.zoo import runtimes
from kneebundle.zoo.export import export_bundle
from tests.bundles.bundle_runs import BUNDLES, config

resource = pytest.importorskip("resource", reason="a system without limits")
onnx = pytest.importorskip("onnx", reason="needs onnx and onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnx and onnxruntime")

# what makes the networks of the tests narrow, in the names that train.json and inference.json share
TRAINING_ONLY = {"num_workers", "batch_size", "phantom_size", "max_epochs", "precision", "stages"}


def narrow_bundle(root: Path, folder: Path) -> Path:
    """A copy of a bundle with a network that is quick, and knows nothing."""
    small = {k: v for k, v in BUNDLES[root.name].small.items() if k not in TRAINING_ONLY}
    if "network_def#width" in small:
        small["network_def#depth"] = 2
    if root.name == "knee_parts_registration":
        small = {"levels": 1, "extractor#width": 4, "network_def#channels": 16}
    copy = folder / root.name
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("*.pt", "docs"))
    for name in ("train.json", "inference.json"):
        parser = ConfigParser(config(root, name))
        parser.update(small)
        (copy / "configs" / name).write_text(json.dumps(parser.get()))
    parser.read_config(str(copy / "configs" / "inference.json"))
    torch.manual_seed(0)
    (copy / "models").mkdir(exist_ok=True)
    torch.save(parser.get_parsed_content("network_def").state_dict(), copy / "models" / "model.pt")
    return copy


@pytest.mark.parametrize("name", BUNDLES)
def test_files_of_a_bundle_answer_as_its_network_and_say_what_they_are(
    name: str, repository: Path, tmp_path: Path
) -> None:
    bundle = narrow_bundle(repository / "bundles" / name, tmp_path)
    files = export_bundle(bundle, tmp_path / "out")
    assert [file.path.name for file in files] == [f"{name}.ts", f"{name}.onnx"]
    assert all(file.difference <= 1e-4 for file in files)

    scripted, properties, _ = load_net_with_metadata(str(files[0].path))
    session = onnxruntime.InferenceSession(str(files[1].path))
    (image,), (pred,) = session.get_inputs(), session.get_outputs()
    assert (image.name, pred.name) == ("image", "pred")
    assert image.shape == ["batch", 1, *properties["input_size"]]
    for count in (1, 2, 5):
        given = torch.rand(count, *image.shape[1:]) * 2 - 1
        answer = torch.from_numpy(session.run(["pred"], {"image": given.numpy()})[0])
        torch.testing.assert_close(answer, scripted(given), atol=1e-4, rtol=0)
        assert answer.shape[:2] == (count, properties["network_data_format"]["outputs"]["pred"]["num_channels"])

    said = {prop.key: prop.value for prop in onnx.load(str(files[1].path)).metadata_props}
    assert {key: value if isinstance(value, str) else json.dumps(value) for key, value in properties.items()} == said
    assert (said["bundle"], said["version"]) == (name, config(bundle, "metadata.json")["version"])
    assert said["weights_sha256"] == hashlib.sha256((bundle / "models/model.pt").read_bytes()).hexdigest()
    assert "percentiles 1 and 99" in said["normalization"]
    mirrored = ("knee_landmark_localization", "knee_landmark_scn", "knee_parts_registration")
    assert said["left_mirrored"] == ("true" if name in mirrored else "false")


def test_a_file_that_gives_otherwise_is_not_written(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drifting(torch.nn.Module):
        """Answers otherwise in a file: tracing keeps the number that Python drew."""

        calls = 0

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            Drifting.calls += 1
            return image * (1.0 + 0.01 * Drifting.calls)

    target = tmp_path / "out" / "drifting.onnx"
    target.parent.mkdir()
    target.write_bytes(b"of before")
    with pytest.raises(KneeBundleError, match=r"drifting.onnx: .* more than 1e-04, so it was not written"):
        runtimes.export_network(Drifting(), [torch.ones(1, 1, 8, 8)], target, {})
    assert [path.name for path in target.parent.iterdir()] == ["drifting.onnx"]
    assert target.read_bytes() == b"of before"


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("suffix", [".ts", ".onnx"])
@pytest.mark.parametrize("kind", ["stack", "pairs", "unet"])
def test_heatmap_networks_of_two_and_three_dimensions(
    kind: str, suffix: str, spatial_dims: int, tmp_path: Path
) -> None:
    from kneebundle.networks.localization_unet import LocalizationUNet
    from kneebundle.networks.scn import SpatialConfigurationNet

    torch.manual_seed(0)
    if kind == "unet":
        network: torch.nn.Module = LocalizationUNet(spatial_dims, 1, 3, features=4, initial_deviation=0.1)
    else:
        network = SpatialConfigurationNet(
            spatial_dims, 1, 3, 4, 2, 4, 4, spatial=kind, spatial_kernel=3, initial_deviation=0.1
        )
    images = [torch.rand(count, 1, *[16] * spatial_dims) for count in (1, 3)]
    assert runtimes.export_network(network, images, tmp_path / f"net{suffix}", {"bundle": kind}) <= 1e-4


def test_gives_that_are_no_numbers_or_of_another_shape_are_differences() -> None:
    image = [torch.ones(1, 2)]
    identity = torch.nn.Identity()
    assert runtimes._difference(identity, lambda x: x + 0.5, image) == 0.5
    assert runtimes._difference(identity, lambda x: x[:, :1], image) == float("inf")
    nan = runtimes._difference(identity, lambda x: x * float("nan"), [image[0], image[0]])
    assert nan != nan


def test_what_cannot_be_exported_raises_an_error(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = repository / "bundles" / "knee_parts_registration"
    with pytest.raises(KneeBundleError, match="no such weights"):
        export_bundle(bundle, tmp_path, weights=tmp_path / "none.pt")
    with pytest.raises(KneeBundleError, match="torchscript and onnx, got 'tensorrt'"):
        export_bundle(bundle, tmp_path, ["tensorrt"])
    other = repository / "bundles" / "knee_landmark_scn" / "models" / "model.pt"
    with pytest.raises(KneeBundleError, match="do not fit the bundle's network"):
        export_bundle(bundle, tmp_path, weights=other)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    with pytest.raises(KneeBundleError, match=r"ONNX needs onnx and onnxruntime.*pip install onnx onnxruntime"):
        export_bundle(bundle, tmp_path, ["onnx"])
    assert not list(tmp_path.glob("[!.]*"))


def test_the_command_offers_what_there_is() -> None:
    options: dict[str | None, Any] = {option.name: option for option in get_command("export").params}
    assert options["formats"].type.allowed == tuple(runtimes.FORMATS)
    assert options["opset"].default == runtimes.OPSET


def test_by_command(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    bundle = narrow_bundle(repository / "bundles" / "knee_landmark_scn", tmp_path)
    shutil.copy(bundle / "models/model.pt", bundle / "models/model_fold0.pt")
    out = tmp_path / "out"
    with pytest.raises(KneeBundleError, match="run as code when they are read"):
        cli.main(["export", str(bundle), "-o", str(out)], standalone_mode=False)
    cli.main(
        [str(a) for a in ("export", bundle, "-o", out, "--formats", "onnx", "--folds", "--opset", 17, "--trust")],
        standalone_mode=False,
    )
    assert sorted(path.name for path in out.glob("[!.]*")) == ["knee_landmark_scn.onnx", "knee_landmark_scn_fold0.onnx"]
    assert capsys.readouterr().out.count("differs from the network by") == 2
    assert onnx.load(str(out / "knee_landmark_scn.onnx")).opset_import[0].version == 17
    mine = str(shutil.copy(bundle / "models/model.pt", tmp_path / "mine.pt"))
    cli.main(
        ["export", str(bundle), "-o", str(out), "--formats", "torchscript", "--weights", mine], standalone_mode=False
    )
    assert (out / "knee_landmark_scn_mine.ts").is_file()


@pytest.mark.slow
def test_the_shipped_networks_answer_alike_as_files(repository: Path, tmp_path: Path) -> None:
    for name in BUNDLES:
        for file in export_bundle(repository / "bundles" / name, tmp_path, folds=name == "knee_landmark_scn"):
            assert file.difference <= 1e-4, file.path
            size = config(repository / "bundles" / name, "metadata.json")["network_data_format"]["inputs"]["image"]
            if file.path.suffix == ".onnx":
                session = onnxruntime.InferenceSession(str(file.path))
                assert session.get_inputs()[0].shape == ["batch", 1, *size["spatial_shape"]]
    assert len(list(tmp_path.glob("[!.]*"))) == 2 * (len(BUNDLES) + 5)  # the SCN has a network a fold, too


@pytest.mark.parametrize("suffix", [".ts", ".onnx"])
def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """PyTorch ends the process where it cannot write to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            runtimes.export_network(
                torch.nn.Conv2d(1, 64, 9), [torch.zeros(2, 1, 16, 16)], tmp_path / f"a{suffix}", {"bundle": "a"}
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_no_folder(repository: Path, tmp_path: Path) -> None:
    bundle = narrow_bundle(repository / "bundles/knee_quality_check", tmp_path)
    (tmp_path / "other.pt").write_bytes(b"none")
    with pytest.raises(KneeBundleError, match="the weights do not fit"):
        export_bundle(bundle, tmp_path / "new/out", ["onnx"], tmp_path / "other.pt")
    assert not (tmp_path / "new").exists()
