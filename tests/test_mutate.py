"""The command that changes the code and asks whether the tests notice."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="needs cosmic-ray")


def mutate(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "scripts/mutate"), *arguments]
    return subprocess.run(command, text=True, capture_output=True)


def targets(repository: Path) -> dict[str, list[str]]:
    """The modules that the script changes, with their tests, read from its text."""
    tree = ast.parse((repository / "scripts/mutate").read_text(encoding="utf-8"))
    (table,) = (
        node.value for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TARGETS"
    )
    assert table is not None
    return eval(compile(ast.Expression(table), "TARGETS", "eval"), {})


def test_every_module_and_its_tests_are_there(repository: Path) -> None:
    for module, tests in targets(repository).items():
        assert (repository / "kneebundle" / module).is_file()
        assert tests and all((repository / test).exists() for test in tests)


def test_mutants_are_counted_and_no_file_is_changed(repository: Path) -> None:
    before = (repository / "kneebundle/orientation.py").read_bytes()
    done = mutate(repository, "--count", "orientation.py")
    assert done.returncode == 0
    name, count = done.stdout.splitlines()[2].split(" | ")[:2]
    assert name == "| orientation.py" and int(count) > 40
    assert (repository / "kneebundle/orientation.py").read_bytes() == before


def test_each_survivor_that_may_be_has_a_module_and_a_reason(repository: Path) -> None:
    lines = (repository / "docs/testing.md").read_text(encoding="utf-8").splitlines()
    module = ""
    for line in lines:
        if line.startswith("**`"):
            module = line.strip("*`")
            assert module in targets(repository)
        elif " -> `" in line:
            before, _, reason = line.removeprefix("- `").partition("`: ")
            assert module and len(reason) > 10
            text = (repository / "kneebundle" / module).read_text(encoding="utf-8")
            assert before.partition("` -> ")[0] in [" ".join(row.split()) for row in text.splitlines()]


@pytest.mark.slow
def test_tests_notice_every_change_of_a_metric(repository: Path, tmp_path: Path) -> None:
    done = mutate(repository, "metrics/radial_error.py", "-o", str(tmp_path / "mutants.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = list(json.loads((tmp_path / "mutants.json").read_text()).values())
    assert len(outcomes) >= 4
    for outcome in outcomes:  # which test noticed it, or why no test came to that
        assert re.match(r"noticed: (tests/metrics/test_|kneebundle/metrics/)\w+\.py::|stopped: ", outcome)
