"""Reference pages that are made of the package: the public names of its packages, and the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click

from kneebundle.cli import cli

__all__ = ["describe_commands", "list_packages", "show_package"]

PACKAGE = Path(__file__).resolve().parents[1] / "kneebundle"


def list_packages() -> dict[str, str]:
    """The packages and top-level modules with public names, each with the first line of its docstring."""
    packages = {
        path.parent.relative_to(PACKAGE).as_posix().replace("/", "."): path.with_suffix(".py")
        for path in sorted(PACKAGE.rglob("__init__.pyi"))
    }
    modules = {path.stem: path for path in sorted(PACKAGE.glob("*.py")) if not path.stem.startswith("_")}
    found = {name: path for name, path in (modules | packages).items() if public_names(name)}
    docstrings = {name: ast.get_docstring(ast.parse(path.read_text())) or "" for name, path in sorted(found.items())}
    return {name: docstring.split("\n")[0] for name, docstring in docstrings.items()}


def public_names(package: str) -> list[str]:
    """The public names of a package, as its stub lists them, or of a module, as its ``__all__`` does.

    Constants that are assigned several at once are left out: griffe, which reads the docstrings, does not see them.
    """
    folder = PACKAGE / package.replace(".", "/")
    if folder.is_dir():
        stub = (folder / "__init__.pyi").read_text()
        listed = re.findall(r"^from \.(\S*) import \w+ as (\w+)$", stub, re.MULTILINE)
        files = {module: (folder / module.replace(".", "/")).with_suffix(".py") for module, _ in listed}
        defined = {module: _defined_names(path) for module, path in files.items() if path.exists()}
        return [name for module, name in listed if name in defined.get(module, ())]
    for node in ast.parse(folder.with_suffix(".py").read_text()).body:
        if isinstance(node, ast.Assign) and "__all__" in [ast.unparse(target) for target in node.targets]:
            return [name for name in ast.literal_eval(node.value) if name in _defined_names(folder.with_suffix(".py"))]
    return []


def _defined_names(path: Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def show_package(package: str) -> str:
    """The page of a package: its docstring and each of its public names."""
    folder = PACKAGE / package.replace(".", "/")
    source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text())) or ""
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", docstring)
    names = "\n\n".join(f"::: kneebundle.{package}.{name}" for name in sorted(public_names(package), key=str.lower))
    return f"# kneebundle.{package}\n\n{text}\n\n{names}\n"


def describe_commands() -> str:
    """The page of the command line: what ``--help`` of each command says, as tables."""
    context = click.Context(cli, info_name="kneebundle")
    parts = ["# Command line", "", _paragraphs(cli.help or ""), ""]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        inner = click.Context(command, info_name=f"kneebundle {name}", parent=None)
        parts += [f"## kneebundle {name}", "", "```text", _usage(command, inner, name), "```", ""]
        parts += [_paragraphs(command.help or ""), "", "| option | |", "|---|---|"]
        for parameter in command.params:
            record = parameter.get_help_record(inner) if isinstance(parameter, click.Option) else None
            if record is not None:
                option, text = (" ".join(part.split()) for part in record)
                parts.append(f"| `{_cell(option)}` | {_prose(_cell(text))} |")
        parts.append("")
    return "\n".join(parts)


def _usage(command: click.Command, context: click.Context, name: str) -> str:
    return " ".join([f"kneebundle {name}", *command.collect_usage_pieces(context)])


def _paragraphs(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", ""))
    return "\n\n".join(_prose(" ".join(part.split())) for part in paragraphs)


def _prose(text: str) -> str:
    """Options and names of files as code, so that no < or * in them is read as Markdown."""
    return re.sub(r"(?<![\w`])((?:[\w/.]*<\w+>[\w./*]*)|--[\w-]+|[\w/]*\*[\w.*]*)", r"`\1`", text).replace("[", "\\[")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
