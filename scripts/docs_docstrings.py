"""Griffe extension: docstrings as the package writes them, as Markdown for the site."""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["DocstringMarkdown"]

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([\w.]+)(?:\(\))?`")


class DocstringMarkdown(griffe.Extension):
    """Turns Sphinx's roles into links, and the heading ``Example:`` into the one that griffe knows."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Go over everything that was loaded."""
        self._rewrite(pkg)

    def _rewrite(self, node: griffe.Object) -> None:
        if node.docstring is not None:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", node.docstring.value, flags=re.MULTILINE)
            node.docstring.value = ROLE.sub(lambda role: _link(node, role[1]), text)
        for member in node.members.values():
            if not member.is_alias and isinstance(member, griffe.Object):
                self._rewrite(member)


def _link(node: griffe.Object, name: str) -> str:
    """A link to what ``name`` means there, if the site has a place for it; else its name."""
    shown = name.removeprefix("kneebundle.")
    first, _, rest = name.partition(".")
    if first == "kneebundle":
        target = name
    else:
        try:
            target = node.resolve(first) + (f".{rest}" if rest else "")
        except griffe.NameResolutionError:
            return f"`{shown}`"
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'
