"""What docs/security.md and docs/privacy.md say is what the package does."""

from __future__ import annotations

import re
from pathlib import Path

from kneebundle.datasets import oai_films
from kneebundle.io import decoding, limits
from kneebundle.label_app import guard
from kneebundle.reports import dicom_source


def test_limits_are_those_of_the_package(repository: Path) -> None:
    text = " ".join((repository / "docs/security.md").read_text().split())
    assert f"at most {limits.MOST_PIXELS // 10**6} million pixels" in text
    assert f"for each image, of {decoding._SECONDS:g} seconds" in text
    assert f"at most {guard.LARGEST_MB} MB" in text
    assert f"more than {oai_films._MOST_BYTES >> 30} GiB or {oai_films._MOST_MEMBERS:,} members" in text


def test_what_is_taken_over_of_a_patient_is_listed(repository: Path) -> None:
    text = (repository / "docs/privacy.md").read_text()
    assert [name for name in dicom_source._MAY_BE_EMPTY if name not in text] == []


def test_tests_that_are_named_are_there(repository: Path) -> None:
    for name in ("security", "privacy"):
        named = re.findall(r"`((?:tests|scripts)/[\w/.]+)", (repository / f"docs/{name}.md").read_text())
        assert named and [path for path in named if not (repository / path).exists()] == []


def test_each_promise_names_a_test(repository: Path) -> None:
    table = (repository / "docs/security.md").read_text().partition("## How it is tested")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 12
    without = [row for row in rows if not re.search(r"`tests/(?:\w+/)*test_\w+\.py`", row)]
    assert without == []


def test_each_vulnerability_that_is_let_pass_has_a_reason(repository: Path) -> None:
    lines = (repository / ".github/pip-audit-allow.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|(GHSA|CVE|PYSEC)-[\w-]+ .{20,}", line)] == []
    assert ".github/pip-audit-allow.txt" in (repository / ".github/workflows/nightly.yml").read_text()
