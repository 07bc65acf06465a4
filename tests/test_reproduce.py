"""scripts/reproduce: what is wrong is said in one line, and every table can be made from a few drawn knees."""

import importlib.util
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def reproduce(repository: Path) -> Main:
    """The script's main function."""
    loader = SourceFileLoader("reproduce", str(repository / "scripts" / "reproduce"))
    spec = importlib.util.spec_from_loader("reproduce", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    main: Main = module.main
    return main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table1", "--tiny", "--rows", "wing", "mixup_9"], "there is no row 'mixup_9'; there are bottleneck, "),
        (["table1"], "a data set is needed: a folder with images/ and landmarks.csv"),
        (
            ["scn-sizes", "--tiny", "--architectures", "resnet"],
            "there is no architecture 'resnet'; there are scn, unet",
        ),
        (["table2"], "a data set is needed, or a number of knees to draw"),
        (["table2", "nowhere", "--predictions", "rfrv"], "'rfrv' is not NAME=FOLDER"),
        (["table2", "--drawn", "4", "--films", "ours=OUT"], "whole radiographs need their labels"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    reproduce: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert reproduce([*words, "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"reproduce: {said}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "shown", "files"),
    [
        (["table1", "--rows", "wing", "--folds", "0"], "| Wing loss | 1 |", {"table1.md", "table1_curves.png"}),
        (["scn-sizes", "--seeds", "0"], "| 2 | unet | 1 |", {"sizes.md", "sizes.png"}),
        (["table2"], "| drawn knees | all | 2-stage | 4 |", {"table2.md", "figure6_drawn_knees.png", "figure7.png"}),
        (["kordon"], "| automatic | centroid | 3 |", {"table1.md", "table2.md", "against_raters", "training"}),
        (["tiirola", "--fold", "0"], "parts  ", {"figure2.png", "registration.txt"}),
    ],
)
def test_every_table_is_made_from_a_few_drawn_knees_and_not_made_twice(
    reproduce: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], shown: str, files: set[str]
) -> None:
    call = [words[0], "--tiny", *words[1:], "-o", str(tmp_path)]
    assert reproduce(call) == 0
    first = capsys.readouterr().out
    assert shown in first
    assert files <= {path.name for path in tmp_path.iterdir()}
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model_last.pt")}
    assert reproduce(call) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model_last.pt")} == weights
    if words[0] != "tiirola":  # it has seconds in it
        assert capsys.readouterr().out.splitlines()[-2:] == first.splitlines()[-2:]
