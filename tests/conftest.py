"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium, web_page

__all__ = ["chromium", "web_page"]

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The developers' folder of real data, beside the repository; tests that need it are skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the data folder {folder}, which is not part of the project")
    return folder
