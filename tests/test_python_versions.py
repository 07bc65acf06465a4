"""Nothing needs a newer Python than the oldest that the package is for, 3.10, though the tests may run on another."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kneebundle.cli.serve import serve
from tests.conftest import REPOSITORY

OLDEST = (3, 10)
# what came to the standard library later, and to builtins
MODULES = {"tomllib"}
NAMES = {
    **dict.fromkeys(("TaskGroup", "Barrier", "Runner", "timeout", "timeout_at"), "asyncio"),
    **dict.fromkeys(("StrEnum", "ReprEnum", "EnumCheck", "verify", "member", "nonmember"), "enum"),
    **dict.fromkeys(("Self", "LiteralString", "Never", "Required", "NotRequired", "Unpack", "TypeVarTuple"), "typing"),
    **dict.fromkeys(("assert_never", "assert_type", "reveal_type", "override", "dataclass_transform"), "typing"),
    **dict.fromkeys(("cbrt", "exp2", "sumprod", "fma"), "math"),
    **{"UTC": "datetime", "batched": "itertools", "chdir": "contextlib", "file_digest": "hashlib", "NOFLAG": "re"},
    **{"getLevelNamesMapping": "logging", "deprecated": "warnings", "exception": "sys", "call": "operator"},
    **{"process_cpu_count": "os", "Month": "calendar", "Day": "calendar", "get_annotations": "annotationlib"},
}
METHODS = {"add_note", "is_junction"}
ARGUMENTS = {"onexc", "delete_on_close", "walk_up", "case_sensitive", "recurse_symlinks"}
BUILTINS = {"ExceptionGroup", "BaseExceptionGroup", "PythonFinalizationError"}


def sources() -> Iterator[Path]:
    for folder in ("kneebundle", "tests"):
        yield from (path for path in (REPOSITORY / folder).rglob("*.py") if "_bundles" not in path.parts)
    for path in sorted((REPOSITORY / "scripts").iterdir()):
        if path.is_file() and (path.suffix == ".py" or b"python" in path.read_bytes()[:40]):
            yield path


def find_newer(tree: ast.AST) -> Iterator[str]:
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    of_new = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "version_info" in ast.dump(node.test)]
    asked_first = {id(inner) for node in of_new for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in asked_first:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if NAMES.get(alias.name) == node.module)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and NAMES.get(node.attr) == modules.get(node.value.id, ""):
                yield node.attr
            if node.attr in METHODS:
                yield node.attr
        elif isinstance(node, ast.keyword) and node.arg in ARGUMENTS:
            yield node.arg
        elif isinstance(node, ast.Name) and node.id in BUILTINS:
            yield node.id


@pytest.mark.parametrize("folder", ["kneebundle", "tests", "scripts"])
def test_every_module_is_of_the_oldest_python(folder: str) -> None:
    paths = [path for path in sources() if path.relative_to(REPOSITORY).parts[0] == folder]
    assert paths
    found = {}
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
        if newer := sorted(set(find_newer(tree))):
            found[path.relative_to(REPOSITORY).as_posix()] = newer
    assert found == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import hashlib\nhashlib.file_digest(f, 'md5')", ["file_digest"]),
        ("import datetime as d\nd.UTC", ["UTC"]),
        ("from enum import StrEnum", ["StrEnum"]),
        ("import tomllib", ["tomllib"]),
        ("import sys\nif sys.version_info >= (3, 11):\n    import tomllib", []),
        ("error.add_note('')", ["add_note"]),
        ("import logging\nlogging.exception('')\nlog.exception('')", []),
    ],
)
def test_what_is_found(code: str, found: list[str]) -> None:
    assert list(find_newer(ast.parse(code))) == found


def test_a_settings_file_of_serve_is_read_without_tomllib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = pytest.importorskip("tomllib")

    stand_in = types.ModuleType("tomli")
    stand_in.loads = known.loads  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tomli", stand_in)
    monkeypatch.setitem(sys.modules, "tomllib", None)  # importing it fails, as on Python 3.10
    monkeypatch.setattr(sys, "version_info", (3, 10, 14, "final", 0))
    (tmp_path / "serve.toml").write_text('allow = ["MODALITY", "PACS"]\n')
    context = click.Context(serve)
    option = next(option for option in serve.params if option.name == "config")
    assert isinstance(option, click.Option) and option.callback is not None
    option.callback(context, option, tmp_path / "serve.toml")
    assert context.default_map
    (allowed,) = context.default_map.values()
    assert "MODALITY" in str(allowed)
