"""The part of the package that a bundle needs, on a package made up for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kneebundle
from kneebundle.errors import KneeBundleError
from kneebundle.zoo.needed import NeededPart, needed_part

PACKAGE = {
    "__init__.py": "_LAZY = {'Pipeline': 'kneebundle.never'}\n",
    "never.py": "import pandas\n",
    "networks.py": "import torch\nclass Net: ...\n",
    "lazy.py": "def read():\n    from PIL import Image\n    from kneebundle.deep.inner import thing\n",
    "deep/__init__.py": "from kneebundle.beside import one\n",
    "deep/inner.py": "import sklearn.svm\nimport json\nthing = open('shape.json')\n",
    "deep/shape.json": "{}",
    "deep/other.json": "{}",
    "beside.py": "one = __import__('importlib').import_module('kneebundle.named')\n",
    "named.py": "from torch.utils.tensorboard import SummaryWriter\n",
    "typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import kneebundle.never\nelse:\n    import itk\n",
    "shown.py": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / "kneebundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kneebundle" / name).write_text(text)
    monkeypatch.setattr(kneebundle, "__file__", str(tmp_path / "kneebundle/__init__.py"))
    return tmp_path


def needed(folder: Path, config: object, documentation: str = "") -> NeededPart:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(documentation)
    return needed_part([folder / "config.json", folder / "README.md"])


@pytest.mark.parametrize(
    ("config", "files", "distributions"),
    [
        ({"network": [{"_target_": "kneebundle.networks.Net"}]}, "networks.py", "fire"),
        ({"imports": ["$from kneebundle import networks"]}, "networks.py", "fire"),
        ({"net": "$f(kneebundle.networks.Net.make(@x))"}, "networks.py", "fire"),
        ({"a": {"_target_": "kneebundle.typed.f"}}, "typed.py", "fire itk"),
        (
            {"imports": ["$import kneebundle.lazy as lazy"]},
            "beside.py deep/__init__.py deep/inner.py deep/shape.json lazy.py named.py",
            "fire pillow scikit-learn tensorboard",
        ),
    ],
    ids=["target", "import", "expression", "type checker", "lazy, data, package, name in a string"],
)
def test_follows_all_that_is_imported(package: Path, config: object, files: str, distributions: str) -> None:
    part = needed(package, config)
    assert part.files == tuple(sorted(Path("kneebundle") / name for name in ["__init__.py", *files.split()]))
    assert part.distributions == tuple(distributions.split())


def test_what_the_documentation_puts_in_comes_along(package: Path) -> None:
    part = needed(package, {}, "Our kneebundle. Another one: `--net \"{'_target_': 'kneebundle.shown.Net'}\"`")
    assert part.files == (Path("kneebundle/__init__.py"), Path("kneebundle/shown.py"))


def test_a_name_that_is_not_there_is_refused(package: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"config.json: kneebundle.nothing.Net is named"):
        needed(package, {"_target_": "kneebundle.nothing.Net"})
