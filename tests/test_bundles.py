"""Bundles on this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import kneebundle
from kneebundle.bundles import find_bundles_folder, find_installed_bundle, list_bundles
from kneebundle.errors import KneeBundleError


def write_bundle(folder: Path, name: str, weights: bytes = b"") -> None:
    (folder / name / "configs").mkdir(parents=True)
    (folder / name / "configs/metadata.json").write_text(json.dumps({"version": "0.3.1"}))
    (folder / name / "models").mkdir()
    if weights:
        (folder / name / "models/model.pt").write_bytes(weights)


def test_name_version_and_sha256(tmp_path: Path) -> None:
    write_bundle(tmp_path, "b", b"weights")
    write_bundle(tmp_path, "a")
    (tmp_path / "no_bundle").mkdir()
    first, second = list_bundles(tmp_path)
    assert (first.name, first.version, first.weights) == ("a", "0.3.1", ())
    assert second.weights == (("model.pt", hashlib.sha256(b"weights").hexdigest()),)


def test_an_installed_package_goes_before_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kneebundle").mkdir()
    monkeypatch.setattr(kneebundle, "__file__", str(tmp_path / "kneebundle/__init__.py"))
    with pytest.raises(KneeBundleError, match="no bundles"):
        find_bundles_folder()
    write_bundle(tmp_path / "bundles", "a")
    with pytest.raises(KneeBundleError, match="no bundles"):  # some folder beside site-packages is not ours
        find_bundles_folder()
    (tmp_path / "pyproject.toml").touch()
    assert find_installed_bundle("a") == tmp_path / "bundles" / "a"
    write_bundle(tmp_path / "kneebundle/_bundles", "b")
    assert find_installed_bundle("b") == tmp_path / "kneebundle/_bundles/b"
    with pytest.raises(KneeBundleError, match="there is no bundle 'a'; installed: b"):
        find_installed_bundle("a")


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no bundle is in this folder"):
        list_bundles(tmp_path)
