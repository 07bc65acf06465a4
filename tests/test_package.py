"""Promises of the package as a whole: a quick import, imports that point down the layers, a complete wheel."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import kneebundle

PACKAGE = Path(kneebundle.__file__).parent

# The layout: an import points down this list, one package a line. Real data never imports phantoms.
LAYERS = (
    "__main__",
    "cli",
    "label_app",
    "zoo",
    "training",
    "handlers",
    "evaluation",
    "annotation",
    "dicom_node",
    "diagnosis",
    "batch",
    "exchange",
    "reports",
    "pipelines",
    "registration",
    "inferers",
    "shape_models",
    "datasets",
    "phantoms",
    "results",
    "metrics",
    "transforms",
    "measurements",
    "networks",
    "losses",
    "trust",
    "io",
    "settings",
    "bundles",
    "landmarks",
    "radiograph",
    "orientation",
    "errors",
)
LEVEL = {name: level for level, name in enumerate(LAYERS)}
DATA_SUFFIXES = {".css", ".csv", ".html", ".js", ".json", ".md", ".toml", ".txt", ".typed"}
SLOW_TO_IMPORT = {"highdicom", "itk", "matplotlib", "onnx", "onnxruntime", "pandas"}

PACKAGES = sorted(path.parent for path in PACKAGE.rglob("__init__.pyi"))
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "_bundles" not in path.parts and path != PACKAGE / "__init__.py"
)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Full names in the import statements of ``tree``, those in functions too: ``from a.b import c`` is ``a.b.c``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def project_parts(path: Path) -> set[str]:
    """The parts of the package that a module imports: ``kneebundle.io.dicom`` counts as ``io``."""
    names = (name.split(".") for name in imported_modules(ast.parse(path.read_text())))
    return {name[1] for name in names if name[0] == "kneebundle" and name[1:] not in ([], ["__version__"])}


def imports_package(path: Path, package: str) -> bool:
    return any(name.split(".")[0] == package for name in imported_modules(ast.parse(path.read_text())))


def imports_at_module_level(path: Path) -> Iterator[str]:
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef) and "TYPE_CHECKING" not in ast.dump(statement):
            yield from imported_modules(statement)


def run_python(code: str) -> dict:
    """Run ``code`` in a fresh interpreter; answers ``loaded`` (top-level modules) and CPU ``seconds``."""
    report = "\nimport json, sys, time\nloaded = sorted({name.split('.')[0] for name in sys.modules})\n"
    report += "print(json.dumps({'loaded': loaded, 'seconds': time.process_time()}))"
    answer = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


HELP = """
import sys
from importlib.metadata import entry_points
sys.argv = ["kneebundle", "--help"]
main = next(entry for entry in entry_points(group="console_scripts") if entry.name == "kneebundle").load()
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
"""


@pytest.mark.parametrize("code", ["import kneebundle", HELP], ids=["import", "help"])
def test_import_and_help_are_quick(code: str) -> None:
    answer = run_python(code)
    heavy = SLOW_TO_IMPORT | {"ignite", "monai", "nibabel", "pydicom", "scipy", "sklearn", "torch"}
    assert heavy.isdisjoint(answer["loaded"])
    assert answer["seconds"] < 1.0


def test_public_names_are_those_of_their_modules() -> None:
    from kneebundle.landmarks import Landmarks
    from kneebundle.pipelines.knee_pa import KneePipeline
    from kneebundle.radiograph import Radiograph

    assert kneebundle.KneePipeline is KneePipeline
    assert kneebundle.Landmarks is Landmarks
    assert kneebundle.Radiograph is Radiograph
    assert set(kneebundle.__all__) <= set(dir(kneebundle))


def public_names(path: Path) -> list[str]:
    """What ``__all__`` of a module's source says; nothing where there is none."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and "__all__" in [ast.unparse(target) for target in node.targets]:
            return list(ast.literal_eval(node.value))
    return []


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: module_name(folder / "__init__.py"))
def test_a_package_offers_the_public_names_of_its_modules(folder: Path) -> None:
    """All of them, as its stub lists them, but for one that is called as a module is; no two modules share a name."""
    name = module_name(folder / "__init__.py")
    package = importlib.import_module(name)
    inside = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    offered = [
        (path.stem, public)
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__init__"
        for public in public_names(path)
        if public not in inside
    ]
    assert sorted(package.__all__) == sorted(public for _, public in offered)
    for stem, public in offered:
        module = importlib.import_module(f"{name}.{stem}")
        assert getattr(package, public) is getattr(module, public), f"{name}.{public}"


def test_every_package_but_two_has_public_names() -> None:
    folders = {path.parent for path in MODULES if path.name == "__init__.py"}
    # most modules of the Label app import MONAI Label, and commands are for the command line alone
    assert folders - set(PACKAGES) == {PACKAGE / "label_app", PACKAGE / "cli"}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KneePipelin'"):
        kneebundle.KneePipelin  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down_the_layers(path: Path) -> None:
    own = module_name(path).split(".")[1]
    imported = project_parts(path)
    assert {own, *imported} <= set(LEVEL), "a part of the package without a place in LAYERS"
    upwards = {name for name in imported if LEVEL[name] < LEVEL[own]}
    assert not upwards, f"{own} lies below {upwards}"
    if own in ("networks", "losses"):
        assert imported <= {"networks", "losses"}
    if own == "datasets":
        assert "phantoms" not in imported


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_slow_packages_are_imported_where_they_are_used(path: Path) -> None:
    assert SLOW_TO_IMPORT.isdisjoint(name.split(".")[0] for name in imports_at_module_level(path))


def test_only_the_label_app_knows_monai_label() -> None:
    knowing = {module_name(path) for path in MODULES if imports_package(path, "monailabel")}
    assert knowing and all(name.startswith("kneebundle.label_app.") for name in knowing)
    # the command that writes the app runs without it
    assert knowing.isdisjoint(
        f"kneebundle.label_app.{name}" for name in ("folder", "labels", "training_set", "weights")
    )


def strings_in(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal of a module, docstrings and the pieces of f-strings too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name != "cli"], ids=module_name)
def test_the_library_names_no_option_of_the_command_line(path: Path) -> None:
    """An error says what it is about, its field; the command line, a bundle or a server say what to do about it."""
    assert [found for found in strings_in(path) if re.search(r"(^|[\s(])--[a-z]|(^|\s)-o\b", found[1])] == []


def test_codes_of_flags_are_listed_and_documented(repository: Path) -> None:
    from kneebundle.results import FLAG_CODES, Flag

    rows = re.findall(r"^\| `(\w+)` \|", (repository / "docs" / "flags.md").read_text(), flags=re.MULTILINE)
    assert rows == list(FLAG_CODES)
    raised = {text for path in MODULES if path.parent.name == "pipelines" for _, text in strings_in(path)}
    assert set(FLAG_CODES) <= raised
    with pytest.raises(ValueError, match="one of implant, not_a_knee"):
        Flag("dark", "a dark radiograph")


def test_wheel_carries_bundles_and_data_files(repository: Path, tmp_path: Path) -> None:
    wheel = next(WheelBuilder(str(repository)).build(directory=str(tmp_path), versions=["standard"]))
    names = set(zipfile.ZipFile(wheel).namelist())

    bundles = [path for path in (repository / "bundles").rglob("*") if path.is_file()]
    evidence = set((repository / "bundles" / "knee_landmark_localization" / "models").glob("model_fold*.pt"))
    shipped = [path for path in bundles if path.parent.name in ("configs", "docs", "models") and path not in evidence]
    assert evidence and shipped
    carried = {Path(name).name for name in names if "/knee_landmark_localization/models/" in name}
    assert carried.isdisjoint(path.name for path in evidence)
    assert Path(wheel).stat().st_size <= 60_000_000
    assert {f"kneebundle/_bundles/{path.relative_to(repository / 'bundles').as_posix()}" for path in shipped} <= names

    data = [path for path in PACKAGE.rglob("*") if path.suffix in DATA_SUFFIXES]
    assert {path.relative_to(repository).as_posix() for path in data} <= names
    assert not any(name.startswith(("bundles/", "tests/", "scripts/")) for name in names)
