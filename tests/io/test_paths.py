"""Paths as text that can be written, and back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kneebundle.io.paths import find_shown, identify_path, show_path


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"knee_M\xfcller.png", "knee_M\\xfcller.png"),
        ("knee_Müller_膝.png".encode(), "knee_Müller_膝.png"),
        (b"two\nlines\x1b[31m.png", "two\\x0alines\\x1b[31m.png"),
        ("next\x85line.png".encode(), "next\\xc2\\x85line.png"),
        (b"back\\slash.png", "back\\slash.png"),
    ],
)
def test_a_name_is_text_on_one_line_and_found_again(tmp_path: Path, raw: bytes, shown: str) -> None:
    path = tmp_path / os.fsdecode(raw)
    path.write_text("")
    text = show_path(path)
    assert text == str(tmp_path / shown)
    text.encode("utf-8")
    assert find_shown(text) == path


def test_a_literal_name_goes_first_and_nothing_is_made_up(tmp_path: Path) -> None:
    literal = tmp_path / "a\\xfc.png"
    literal.write_text("")
    assert find_shown(str(literal)) == literal
    assert find_shown(str(tmp_path / "b\\xfc.png")) == tmp_path / "b\\xfc.png"
    assert find_shown(str(tmp_path / "b\\x00.png")) == tmp_path / "b\\x00.png"


def test_a_file_is_the_same_by_any_spelling(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert identify_path(tmp_path / "a/../b/x")[1] == identify_path(tmp_path / "a/x")[1]
    assert identify_path(tmp_path / "loop")[0] == str(tmp_path / "loop")


def test_a_name_that_the_locale_cannot_say_is_found(tmp_path: Path) -> None:
    (tmp_path / "膝.png").write_text("")
    code = """
from kneebundle.io.paths import find_shown, identify_path
print(all(identify_path(find_shown(chr(letter) + ".png")) for letter in (0x819D, 0xD800)))
print(find_shown(chr(0x819D) + ".png").exists(), find_shown(chr(0xD800) + ".png").exists())
"""
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **poor, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stdout.split() == ["True", "True", "False"], run.stderr
