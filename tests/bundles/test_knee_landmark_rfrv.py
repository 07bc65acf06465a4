"""The bundle of forests: it predicts as the bundles of networks do, and has no training through monai.bundle."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow, verify_metadata, verify_net_in_out

from kneebundle.bundles import list_bundles
from kneebundle.errors import KneeBundleError
from kneebundle.io import read_radiograph
from kneebundle.pipelines import KneePipeline
from kneebundle.zoo import check_configs, check_files, read_metadata
from kneebundle.zoo.checks import REQUIRED_FILES
from kneebundle.zoo.pack import LEFT_OUT
from tests.bundles.bundle_runs import config, start
from tests.bundles.test_configs import public
from tests.bundles.test_model_zoo import HEADINGS, PROPERTIES

NAME = "knee_landmark_rfrv"
MOST_BYTES = 12_000_000


@pytest.fixture
def bundle(repository: Path) -> Path:
    return repository / "bundles" / NAME


def test_files_and_metadata_are_those_that_a_packed_bundle_needs(bundle: Path, repository: Path) -> None:
    check_files(bundle, [bundle / name for name in REQUIRED_FILES])
    check_configs(bundle, LEFT_OUT)
    metadata = read_metadata(bundle)
    other = config(repository / "bundles" / "knee_landmark_localization", "metadata.json")
    same = ("monai_version", "pytorch_version", "numpy_version", "required_packages_version", "network_data_format")
    assert all(metadata[key] == other[key] for key in same)
    lines = (bundle / "docs/README.md").read_text().splitlines()
    assert [line for line in lines if line in HEADINGS] == HEADINGS
    assert not (bundle / "configs" / "train.json").exists() and (repository / "scripts" / "train_classical").is_file()


def test_metadata_are_those_of_the_schema(bundle: Path, shared_data: Path) -> None:
    schema = shared_data / "monai_metadata_schema_20240725.json"
    verify_metadata(meta_file=str(bundle / "configs/metadata.json"), filepath=str(schema), create_dir=False)


def test_the_model_is_small_safe_to_load_and_listed(bundle: Path, repository: Path) -> None:
    file = bundle / "models" / "model.pt"
    assert file.stat().st_size <= MOST_BYTES
    state = torch.load(file, weights_only=True)
    assert {str(tensor.dtype) for tensor in state.values()} <= {
        *("torch.int16", "torch.int32", "torch.float16", "torch.float32")
    }
    (listed,) = [known for known in list_bundles(repository / "bundles") if known.name == NAME]
    assert [name for name, _ in listed.weights] == ["model.pt"]


def test_its_region_is_that_of_the_networks_but_for_what_is_beyond_the_radiograph(
    bundle: Path, repository: Path
) -> None:
    own = config(bundle, "inference.json")
    other = config(repository / "bundles" / "knee_landmark_localization", "inference.json")
    for key in ("spacing_mm", "region_mm", "region_transforms", "evaluator", "dataset", "postprocessing", "handlers"):
        assert own[key] == other[key], key
    assert own["fill_mode"] == "edge"
    names = re.findall(r'"_target_": "(kneebundle[\w.]+)"', (bundle / "configs/inference.json").read_text())
    assert names and all(public(name) for name in names)


def test_the_network_gives_what_the_metadata_say(bundle: Path) -> None:
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
        device="cpu",
    )


def test_the_workflow_has_its_properties_and_predicts_on_a_folder(
    bundle: Path, repository: Path, tmp_path: Path
) -> None:
    content = config(bundle, "inference.json")
    assert all(identity.split("#")[0] in content for identity in PROPERTIES["inference.json"])
    images = tmp_path / "images"
    images.mkdir()
    for name in ("knee_R_kl1.dcm", "knee_L_kl2.dcm"):
        shutil.copy(repository / "samples/knees" / name, images)
    flow = ConfigWorkflow(
        config_file=str(bundle / "configs/inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(bundle),
        dataset_dir=str(images),
        output_dir=str(tmp_path / "out"),
    )
    flow.initialize()
    assert flow.check_properties() == []
    flow.run()
    with (tmp_path / "out/landmarks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16 * len(list(images.iterdir()))
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)


def test_a_misspelt_setting_is_an_error(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no 'datset_dir'; did you mean 'dataset_dir'"):
        start(bundle, "run", ["inference.json"], output_dir=str(tmp_path / "out"), datset_dir=str(tmp_path))


def test_finds_right_and_left_knees_through_the_pipeline(repository: Path, tmp_path: Path) -> None:
    """Drawn knees, on the forests that real ones grew: within 2.5 mm in the mean, of either side."""
    pipeline = KneePipeline.from_bundles(device="cpu", landmark_bundle=NAME)
    with (repository / "samples/knees/truth.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    sides = {}
    for name, row in rows.items():
        if row["side"] in sides or int(row["kl"]) > 2:
            continue
        radiograph = read_radiograph(
            repository / "samples/knees" / name,
            spacing_mm=float(row["spacing_mm"]),
            side="L" if row["side"] == "L" else "R",
        )
        (knee,) = pipeline.predict(radiograph, view="pa-single").knees
        assert knee.landmarks is not None
        truth = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(16)])
        off = np.linalg.norm(knee.landmarks.points - truth, axis=1) * float(row["spacing_mm"])
        sides[row["side"]] = off.mean()
    assert set(sides) == {"L", "R"} and max(sides.values()) < 2.5


def test_a_damaged_model_is_an_error_of_one_line(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / NAME
    shutil.copytree(bundle, copy)
    content = (bundle / "models" / "model.pt").read_bytes()
    (copy / "models" / "model.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(KneeBundleError, match="do not fit the bundle's network") as caught:
        KneePipeline.from_bundles(tmp_path, device="cpu", landmark_bundle=NAME)
    assert "\n" not in str(caught.value)


def test_what_the_table_says_is_in_the_metadata(bundle: Path) -> None:
    metrics = config(bundle, "metadata.json")["eval_metrics"]
    readme = (bundle / "docs/README.md").read_text()
    shares = " / ".join(f"{metrics[f'pck_{r}mm_percent']:.1f}" for r in ("1", "1.5", "2", "2.5"))
    assert shares in readme and f"{metrics['mean_error_mm']:.2f}" in readme
    assert json.dumps(metrics)
