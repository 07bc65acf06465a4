"""What all pages share: their frame, style and script, put into one file that loads nothing and runs nothing else."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from kneebundle import __version__

__all__ = ["embed_json", "fill_page", "render_rows"]


def fill_page(name: str, images: str = "data:", **parts: str) -> str:
    """Fill the template of a page; its style and its one script are put in and are all that the page may run.

    Args:
        name: ``"study"`` or ``"index"``.
        images: sources of pictures, as in a content security policy.
        parts: HTML by the placeholder's name, escaped already.
    """
    style, script = _read_asset("page.css"), _read_asset("common.js") + _read_asset(f"{name}.js")
    policy = (
        f"default-src 'none'; img-src {images}; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    fixed = {"policy": policy, "style": style, "script": script, "version": escape(__version__)}
    return Template(_read_asset(f"{name}.html")).substitute({**fixed, **parts})


def embed_json(value: Any) -> str:
    """Write a value as JSON that can stand inside a script element, whatever its strings hold."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def render_rows(rows: dict[str, str]) -> str:
    """Render pairs of words and plain text as rows of a table."""
    cells = (f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in rows.items())
    return "".join(cells)


@cache
def _read_asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
