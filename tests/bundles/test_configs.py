"""What the configuration files of every bundle promise to those who read and change them."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bundles.bundle_runs import BUNDLES, config

LARGEST_BYTES = 12 * 1024
# how a training and an inference may differ; all else that both files name is the same in both
OF_EACH_ITS_OWN = {"_desc_", "imports", "run", "dataset_dir", "batch_size", "num_workers", "precision", "network"}
IMPORT = re.compile(r"\$from (kneebundle[\w.]*) import (\w+)")


@pytest.fixture(params=BUNDLES)
def bundle(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "bundles" / request.param


def configs(bundle: Path) -> list[Path]:
    """The files of configs/ but for the metadata."""
    paths = sorted(set(bundle.glob("configs/*.json")) - {bundle / "configs/metadata.json"})
    assert {"evaluate.json", "inference.json", "train.json"} <= {path.name for path in paths}
    return paths


def strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a configuration, with the key that it stands under."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from strings(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from strings(value, key)


def public(name: str) -> bool:
    """Whether ``kneebundle.handlers.EarlyStop`` and its like is a name that a package says is public."""
    place, _, last = name.rpartition(".")
    module = importlib.import_module(place)
    return (hasattr(module, "__path__") or place.count(".") == 1) and last in module.__all__ and hasattr(module, last)


def test_no_file_is_too_long_to_read(bundle: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in bundle.glob("configs/*")}
    assert {name for name, size in sizes.items() if size > LARGEST_BYTES} == set(), sizes


def test_our_own_names_are_the_public_ones_of_a_package(bundle: Path) -> None:
    """So that a module may be split or renamed without a change to any bundle."""
    for path in configs(bundle):
        for key, text in strings(json.loads(path.read_text())):
            name = ".".join(found.groups()) if (found := IMPORT.fullmatch(text)) else text
            if "kneebundle" in text and key != "_desc_":
                assert key in ("_target_", "imports", "+imports"), f"{path.name}: {text}"
                assert public(name), f"{path.name}: {text}"


def test_the_documentation_names_what_is_public(repository: Path) -> None:
    texts = [(repository / "bundles" / name / "docs/README.md").read_text() for name in BUNDLES]
    names = {name for text in texts for name in re.findall(r"\bkneebundle(?:\.\w+)+", text)}
    assert names
    assert [name for name in sorted(names) if not public(name)] == []


def test_nothing_is_chosen_by_its_position(bundle: Path) -> None:
    """Inserting a transform or a handler must not change what the others are used for."""
    for path in configs(bundle):
        content = json.loads(path.read_text())
        for key, text in strings(content):
            assert not re.search(r"@[\w#]*(transforms|handlers)\b\s*\[", text), f"{path.name}: {key}"
        assert not [key for key in content if re.search(r"#\d", key)], path.name


def test_training_and_inference_say_the_same_of_the_network_and_its_input(bundle: Path) -> None:
    training, inference = config(bundle, "train.json"), config(bundle, "inference.json")
    both = training.keys() & inference.keys()
    assert {"network_def", "region_transforms"} <= both
    for key in both - OF_EACH_ITS_OWN - {"load_transforms"}:
        assert training[key] == inference[key], key
    first, *others = training["load_transforms"]
    assert first["_target_"] == inference["load_transforms"][0]["_target_"] or bundle.name == "knee_surgical_planning"
    assert others == [] or bundle.name == "knee_surgical_planning"


def test_what_a_reader_may_change_comes_first_and_is_explained(bundle: Path) -> None:
    """The table in the documentation has the values at the top of train.json, in their order, with their defaults."""
    content = config(bundle, "train.json")
    keys = list(content)
    assert keys[:3] == ["_desc_", "imports", "bundle_root"]
    end = min(keys.index(key) for key in ("main_process", "device") if key in keys)
    tunables = {key: content[key] for key in keys[3:end]}
    wanted = {"dataset_dir", "phantom_size", "max_epochs", "batch_size", "learning_rate", "fold", "output_dir"}
    assert wanted | {"num_workers", "resume"} <= tunables.keys()

    _, _, section = (bundle / "docs/README.md").read_text().partition("#### **Hyperparameters**")
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.+) \|$", section, flags=re.MULTILINE)
    shown = {name: value if isinstance(value, str) and value else json.dumps(value) for name, value in tunables.items()}
    assert [(name, default) for name, default, _ in rows] == list(shown.items())
    assert all(re.fullmatch(r"[A-Z`].*\.", text) for _, _, text in rows)


def test_every_value_at_the_top_of_train_json_has_an_effect(bundle: Path) -> None:
    content = config(bundle, "train.json")
    expressions = [text for name in ("train.json", "evaluate.json") for _, text in strings(config(bundle, name))]
    used = {name for text in expressions for name in re.findall(r"@(\w+)", text)}
    keys = list(content)
    assert set(keys[3 : keys.index("device")]) <= used
