"""Which part of the package, and which other packages, a bundle needs: found by following imports, without importing."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kneebundle
from kneebundle.errors import KneeBundleError

__all__ = ["NeededPart", "needed_part"]

_PACKAGE = "kneebundle"
_NAME = re.compile(rf"\b{_PACKAGE}(?:\.\w+)*")
_IMPORT = re.compile(r"\$\s*(?:import|from)\s")

# The names on the package index of what is imported under another name, and of what MONAI and torch leave to the user.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "ignite": "pytorch-ignite",
    "monai.handlers.tensorboard_handlers": "tensorboard",
    "sklearn": "scikit-learn",
    "torch.utils.tensorboard": "tensorboard",
}
_COMMAND_LINE = "fire"  # of monai.bundle
_OWN_FIELDS = frozenset({"monai", "numpy", "torch"})  # of the metadata


@dataclass(frozen=True)
class NeededPart:
    """What a bundle needs beside its own files.

    Attributes:
        files: modules and data files of the package, sorted; paths relative to the folder that the package lies in.
        distributions: names on the package index of the other packages, sorted, without MONAI, torch and numpy.
    """

    files: tuple[Path, ...]
    distributions: tuple[str, ...]


def needed_part(files: Iterable[Path]) -> NeededPart:
    """Follow the imports from every name of the package in a bundle's files.

    Followed are ``_target_`` values, ``$`` expressions and import lines of configs, and names in documentation, whose commands may put
    in what no config does; then, module by module, import statements, those inside functions too, the packages that a module
    lies in, names of modules in strings, and data files beside the module that a string names.

    Left out is what only a type checker imports, and what none of this reaches: the command line, most reports, the installed
    bundles. ``kneebundle/__init__.py`` comes along as it is, but what it imports when somebody asks for it is not followed: in such a
    part ``kneebundle.KneePipeline`` and its like may fail with a ModuleNotFoundError. What MONAI's own classes need is not seen.

    Args:
        files: configs (JSON, without the metadata) and documentation (.md).

    Raises:
        KneeBundleError: if a config cannot be read, or names a module that the package does not have.
    """
    folder = Path(kneebundle.__file__).resolve().parent.parent
    found: set[Path] = set()
    imported: set[str] = set()
    ahead = [(name, file) for file in files for name in sorted(_names_in(file))]
    while ahead:
        name, where = ahead.pop()
        module = _module(name, folder)
        if module is None:
            raise KneeBundleError(f"{name} is named, and this installation has no such module; correct the name", where)
        path = module.relative_to(folder)
        if path in found:
            continue
        found.add(path)
        names, data = _read(module, folder)
        found |= data
        ahead += [(inner, module) for inner in sorted(names) if _is_own(inner)]
        imported |= {inner for inner in names if not _is_own(inner)}
    distributions = {_distribution(name) for name in imported} - _OWN_FIELDS - sys.stdlib_module_names
    return NeededPart(tuple(sorted(found)), tuple(sorted({*distributions, _COMMAND_LINE})))


def _names_in(file: Path) -> set[str]:
    """Names of the package in a file; in a config, of ``$from a import b`` both parts together."""
    names: set[str] = set()
    try:
        content = file.read_text(encoding="utf-8")
        for text in [content] if file.suffix == ".md" else _values(json.loads(content)):
            names.update(_imports(ast.parse(text[1:].strip())) if _IMPORT.match(text) else _NAME.findall(text))
    except (OSError, ValueError, SyntaxError) as error:
        raise KneeBundleError(f"this file cannot be read ({error}); correct it", file) from error
    return {name for name in names if _is_own(name)}


def _read(module: Path, folder: Path) -> tuple[set[str], set[Path]]:
    """The names that a module of the package in ``folder`` needs, those of the packages it lies in among them, and the data files."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    package = module.relative_to(folder).parent
    names = {".".join(package.parts[:depth]) for depth in range(1, len(package.parts) + 1)}
    names.update(_imports(tree))
    if module == folder / _PACKAGE / "__init__.py":
        return names, set()
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names.update(text for text in strings if _is_module(text, folder))
    return names, {package / text for text in strings if _is_data(module.parent, text)}


def _values(content: Any) -> Iterator[str]:
    """Every string of a JSON document but the keys."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _values(value)


def _imports(node: ast.AST) -> Iterator[str]:
    """Full names in the import statements of a tree: ``from a.b import c`` is ``a.b.c``; not those for type checkers."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    else:
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = node.orelse
        for child in children:
            yield from _imports(child)


def _module(name: str, folder: Path) -> Path | None:
    """The file that a dotted name lies in: ``kneebundle.losses.WingLoss`` is in kneebundle/losses/__init__.py."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = folder.joinpath(*parts[:length])
        if place.with_suffix(".py").is_file():
            return place.with_suffix(".py")
        if (place / "__init__.py").is_file():
            return place / "__init__.py" if len(parts) - length < 2 else None
    return None


def _is_own(name: str) -> bool:
    return name == _PACKAGE or name.startswith(_PACKAGE + ".")


def _is_module(text: str, folder: Path) -> bool:
    return bool(_NAME.fullmatch(text)) and _module(text, folder) is not None


def _is_data(folder: Path, text: str) -> bool:
    return bool(re.fullmatch(r"[\w-]+\.\w+", text)) and not text.endswith(".py") and (folder / text).is_file()


def _distribution(name: str) -> str:
    known = (_DISTRIBUTIONS[start] for start in _DISTRIBUTIONS if name == start or name.startswith(start + "."))
    return next(known, name.split(".")[0])
