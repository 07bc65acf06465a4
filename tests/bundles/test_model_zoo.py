"""What the MONAI Model Zoo asks of every bundle: files, metadata, documentation, properties, networks, a whole run."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

from kneebundle.zoo.checks import REQUIRED_FILES, check_configs, check_files, read_metadata
from kneebundle.zoo.pack import LEFT_OUT
from tests.bundles.bundle_runs import BUNDLES, config, read_metrics, small_inference
from tests.bundles.fake_data import fake_data

HEADINGS = ["### **Authors**", "### **Tags**", "## **Model Description**", "## **Data**", "## **Performance**"] + [
    *("## **System Configuration**", "## **Limitations**", "## **Citation Info**", "## **References**", "# **License**")
]

# What each property is, and by what the part that uses it refers to it
PROPERTIES = {
    "train.json": {
        **dict.fromkeys(("bundle_root", "device", "dataset_dir", "train#trainer", "train#trainer#max_epochs")),
        **dict.fromkeys(("train#dataset#data", "validate#dataset#data", "validate#evaluator", "output_dir")),
        "max_epochs": "train#trainer#max_epochs",
        "train#dataset": None,
        "train#handlers": "train#trainer#train_handlers",
        "train#inferer": "train#trainer#inferer",
        "train#preprocessing": "train#dataset#transform",
        "validate#dataset": "validate#dataloader#dataset",
        "validate#handlers": "validate#evaluator#val_handlers",
        "validate#inferer": "validate#evaluator#inferer",
        "validate#preprocessing": "validate#dataset#transform",
        "validate#postprocessing": "validate#evaluator#postprocessing",
        "validate#key_metric": "validate#evaluator#key_val_metric",
    },
    "inference.json": {
        **dict.fromkeys(("bundle_root", "dataset_dir", "output_dir", "network_def", "evaluator", "dataset#data")),
        "device": "evaluator#device",
        "dataset": "dataloader#dataset",
        "dataloader": "evaluator#val_data_loader",
        "inferer": "evaluator#inferer",
        "preprocessing": "dataset#transform",
        "postprocessing": "evaluator#postprocessing",
        "handlers": "evaluator#val_handlers",
    },
}


# prints the packages that modules of kneebundle import when the names given are looked up
IMPORTS = """
import builtins, json, pydoc, sys
original, found = builtins.__import__, set()

def note(name, globals=None, locals=None, fromlist=(), level=0):
    if str((globals or {}).get("__name__")).split(".")[0] == "kneebundle":
        found.add(name.split(".")[0])
    return original(name, globals, locals, fromlist, level)

builtins.__import__ = note
assert all(pydoc.locate(name) is not None for name in sys.argv[1:])
print(json.dumps(sorted(found)))
"""


@pytest.fixture(params=BUNDLES)
def bundle(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "bundles" / request.param


def test_files_and_metadata_are_those_that_a_packed_bundle_needs(bundle: Path) -> None:
    check_files(bundle, [bundle / name for name in REQUIRED_FILES])
    assert read_metadata(bundle)["schema"].endswith("meta_schema_20240725.json")
    check_configs(bundle, LEFT_OUT)


def test_metadata_are_those_of_the_schema(bundle: Path, shared_data: Path) -> None:
    verify_metadata(
        meta_file=str(bundle / "configs" / "metadata.json"),
        filepath=str(shared_data / "monai_metadata_schema_20240725.json"),
        create_dir=False,
    )


def test_metadata_name_the_pinned_packages_of_the_oldest_python(bundle: Path, repository: Path) -> None:
    """The Model Zoo's CI has Python 3.10, on which these versions can be installed, as on all later ones."""
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)(?: ; python_version < .*)?$", "\n".join(lines), flags=re.MULTILINE))
    metadata = config(bundle, "metadata.json")
    required = metadata["required_packages_version"]
    assert required == {name: pins[name] for name in required}
    own = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
    assert all(metadata[field] == pins[name] for name, field in own.items())


def test_metadata_name_what_the_configs_import(repository: Path) -> None:
    """As soon as the names in the configs are looked up; tests of packed bundles see what is imported later, too."""
    names: set[str] = set()
    for path in repository.glob("bundles/*/configs/*.json"):
        text = path.read_text()
        names.update(re.findall(r'"_target_": "(kneebundle[\w.]+)"', text))
        names.update(".".join(found) for found in re.findall(r"\$from (kneebundle[\w.]*) import (\w+)", text))
    done = subprocess.run([sys.executable, "-c", IMPORTS, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    known = packages_distributions()
    imported = {known[name][0].lower() for name in json.loads(done.stdout.splitlines()[-1]) if name in known}
    assert {"lazy-loader", "pytorch-ignite"} <= imported
    for name in BUNDLES:
        required = config(repository / "bundles" / name, "metadata.json")["required_packages_version"]
        assert imported - {"kneebundle", "monai", "torch", "numpy"} <= set(required), name


def test_the_documentation_follows_the_zoos_template(bundle: Path) -> None:
    lines = (bundle / "docs/README.md").read_text().splitlines()
    assert re.fullmatch(r"# [A-Z].*", lines[0])
    assert [line for line in lines if line in HEADINGS] == HEADINGS


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_is_there_and_is_what_the_others_refer_to(bundle: Path, name: str) -> None:
    parser = ConfigParser(config(bundle, name))
    for identity, user in PROPERTIES[name].items():
        assert identity in parser, identity
        assert user is None or re.search(rf"@{identity}\b(?!#)", parser[user]), user
    if name == "train.json":
        (validation,) = (h for h in parser["train#handlers"] if h["_target_"] == "ValidationHandler")
        assert validation["validator"] == "@validate#evaluator" and validation["interval"] == "@val_interval"


def test_the_network_gives_one_tensor_with_the_channels_of_the_metadata(bundle: Path) -> None:
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
        device="cpu",
    )


@pytest.mark.slow
def test_the_network_is_exported_by_scripting(bundle: Path, tmp_path: Path) -> None:
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(bundle / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
    )
    parser = ConfigParser({**config(bundle, "inference.json"), "bundle_root": str(bundle)})
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    image = torch.rand(
        1, 1, *config(bundle, "metadata.json")["network_data_format"]["inputs"]["image"]["spatial_shape"]
    )
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), network(image), atol=1e-4, rtol=0)


def test_trains_is_evaluated_and_predicts_on_made_up_data(bundle: Path, tmp_path: Path) -> None:
    """The zoo's unit test: each workflow has its properties, runs, and leaves what it is run for."""
    data = fake_data(bundle.name, tmp_path / "data")
    trained, settings = (
        str(tmp_path / "train" / "model.pt"),
        {**BUNDLES[bundle.name].small, "dataset_dir": str(data.labelled)},
    )
    train, evaluate = ["train.json"], ["train.json", "evaluate.json"]
    run_workflow(bundle, "train", train, output_dir=str(tmp_path / "train"), **settings)
    run_workflow(bundle, "eval", evaluate, output_dir=str(tmp_path / "eval"), weights=trained, **settings)
    inference = {**small_inference(bundle), **data.inference, "dataset_dir": str(data.images)}
    run_workflow(bundle, "infer", ["inference.json"], output_dir=str(tmp_path / "out"), weights=trained, **inference)
    metrics = read_metrics(tmp_path / "eval")
    assert 0 <= next(iter(metrics.values())) <= 100, "the key metric, a fraction or percents, comes first"
    out = tmp_path / "out"
    answered = {path.stem for path in out.glob("*.png")}
    for table in (*out.glob("landmarks.csv"), *out.glob("classes.csv")):
        with table.open(newline="") as file:
            answered |= {Path(row["path"]).stem for row in csv.DictReader(file)}
    images = {path.stem for path in data.images.rglob("*") if path.suffix in (".dcm", ".png")}
    assert images and images <= answered
    assert not (out / "errors.csv").exists()


def run_workflow(bundle: Path, kind: str, files: list[str], **overrides: Any) -> None:
    flow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / name) for name in files],
        workflow_type=kind,
        logging_file=False,
        bundle_root=str(bundle),
        **overrides,
    )
    flow.initialize()
    assert flow.check_properties() == []
    flow.run()
    flow.finalize()
