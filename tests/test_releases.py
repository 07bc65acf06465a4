"""Releases: versions that agree, licences, a source distribution that gives the same wheel, no data of patients."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pydicom
import pytest
import yaml  # type: ignore[import-untyped]
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import kneebundle

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PICTURES = {".dcm", ".gz", ".jpeg", ".jpg", ".mha", ".nii", ".png", ".tif", ".tiff"}
DRAWN = ("samples/", "docs/images/")
PLOTS = {"bundles/knee_landmark_scn/docs/training_sizes.png"}


def load(path: Path) -> Any:
    loader = SourceFileLoader(path.stem, str(path))
    spec = spec_from_loader(path.stem, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def licences(repository: Path) -> Any:
    return load(repository / "scripts" / "check_licences")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(WheelBuilder(str(repository)).build(directory=str(folder), versions=["standard"])))


@pytest.fixture(scope="module")
def unpacked(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    built = next(SdistBuilder(str(repository)).build(directory=str(folder), versions=["standard"]))
    with tarfile.open(built) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"kneebundle-{kneebundle.__version__}"


def test_the_version_is_the_same_wherever_it_stands(repository: Path) -> None:
    version = kneebundle.__version__
    assert yaml.safe_load((repository / "CITATION.cff").read_text())["version"] == version
    (first, *_) = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (repository / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert first == version


def test_a_release_names_the_repository_that_it_is_built_in(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = load(repository / "hatch_build.py").RepositoryUrls(str(repository), {})
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    elsewhere: dict[str, Any] = {}
    hook.update(elsewhere)
    assert elsewhere == {}
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/knees")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    there: dict[str, Any] = {}
    hook.update(there)
    assert there["urls"]["Issues"] == "https://github.com/Someone/knees/issues"
    assert there["urls"]["Documentation"] == "https://someone.github.io/knees/"


@pytest.mark.parametrize(
    ("licence", "copyleft"),
    [
        ("GNU General Public License v3 (GPLv3)", True),
        ("GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("MIT AND GPL-2.0", True),
        ("MIT OR GPL-2.0", False),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("Apache-2.0", False),
        ("UNKNOWN", False),
    ],
)
def test_what_counts_as_gpl(licences: Any, licence: str, copyleft: bool) -> None:
    assert licences.is_copyleft(licence) == copyleft


def test_nothing_under_the_gpl_is_installed_with_it(repository: Path, licences: Any) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    brought = licences.find_installed(project["dependencies"])
    assert {"monai", "torch", "numpy", "scikit-image", "highdicom"} <= brought
    found = {name: licences.read_licence(licences.distribution(name).metadata) for name in brought}
    assert [name for name, licence in found.items() if licences.is_copyleft(licence)] == []
    assert "pylibjpeg-libjpeg" not in brought
    assert any("gpl" in extra for extra in project["optional-dependencies"]), "it is an extra"


def test_the_wheel_has_no_pictures_but_plots(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        pictures = {name for name in archive.namelist() if Path(name).suffix in PICTURES}
    assert {name.replace("kneebundle/_bundles", "bundles") for name in pictures} == PLOTS


@pytest.mark.slow
def test_pictures_of_the_source_distribution_are_drawn(unpacked: Path) -> None:
    pictures = [path for path in unpacked.rglob("*") if path.suffix in PICTURES]
    assert {path.suffix for path in pictures} >= {".dcm", ".png"}
    for path in pictures:
        name = path.relative_to(unpacked).as_posix()
        assert name.startswith(DRAWN) or name in PLOTS, name
        if path.suffix == ".dcm":
            header = pydicom.dcmread(path, stop_before_pixels=True)
            assert "phantom" in str(header.get("PatientName", "") or header.get("Manufacturer", "")).lower(), name


@pytest.mark.slow
def test_the_source_distribution_gives_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    again = Path(next(WheelBuilder(str(unpacked)).build(directory=str(tmp_path), versions=["standard"])))
    assert wheel.name == again.name
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert first.namelist() == second.namelist()
        for name in first.namelist():
            assert first.read(name) == second.read(name), name
    assert wheel.stat().st_size <= 60_000_000
