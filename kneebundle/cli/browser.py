"""Show a page in the user's browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click

__all__ = ["has_screen", "show_page"]


def show_page(path: Path) -> None:
    """Print the address of a page and open it in a browser, where there is a screen."""
    address = path.resolve().as_uri()
    click.echo(f"page: {address}")
    if has_screen():
        try:
            webbrowser.open(address)
        except webbrowser.Error as error:
            click.echo(f"the page could not be opened ({error}); open its address", err=True)


def has_screen() -> bool:
    """Whether a browser has where to show; without a screen, a browser for the terminal would take it over."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
