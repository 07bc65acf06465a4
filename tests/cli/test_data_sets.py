"""The commands that make data sets: what they say when all is there and when something is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle import cli
from tests.datasets import test_crops, test_oai
from tests.datasets.test_oai import tree

__all__ = ["tree"]


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_prepare_crops_says_how_many_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, annotations = test_crops.write_tables(tmp_path, ["1R.png", "2R.png"])
    monkeypatch.setattr("kneebundle.datasets.crops.prepare_crops.__defaults__", (fits,))
    test_crops.write_crop(tmp_path / "in/1R.png")
    asked = ("prepare-crops", "--images", tmp_path / "in", "--annotations", annotations, "-o", tmp_path / "out")
    assert call(*asked) == 1
    said = capsys.readouterr()
    assert said.out == f"data set in {tmp_path / 'out'}; 1 crops could not be had\n" and "2R.png" in said.err
    test_crops.write_crop(tmp_path / "in/2R.png")
    assert call(*asked) == 0
    assert "; 0 crops" in capsys.readouterr().out


def test_prepare_oai_says_what_was_done_before_and_what_was_made_again(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("prepare-oai", "--oai-dir", tree / "oai", "--annotations", tree / "a.csv", "-o", tree / "out")
    assert call(*asked) == 1
    assert "3 knees done, 0 done before, 3 films refused" in capsys.readouterr().out
    test_oai.write_film(tree / "oai/0/2/001", test_oai.film_pixels() + 1)
    call(*asked)
    assert "1 knees done (1 again, from another file), 2 done before, 3 films refused" in capsys.readouterr().out
