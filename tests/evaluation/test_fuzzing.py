from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.evaluation.fuzzing import TARGETS, FuzzTarget, format_reports, fuzz, read_all

IMAGES = TARGETS[0]


def test_whole_files_are_read_and_others_are_errors_in_one_line(tmp_path: Path) -> None:
    fuzz(IMAGES, tmp_path, 0)
    seeds = sorted(path for path in (tmp_path / "seeds").iterdir() if path.suffix not in (".raw", ".mha", ".mhd"))
    (tmp_path / "text.png").write_text("no picture")
    report = read_all([*seeds, tmp_path / "text.png"], IMAGES, tmp_path)
    assert (report.read, report.errors, report.faults) == (len(seeds) - 1, 2, [])  # TIFF is not read
    assert 0 < report.memory_mb < 2048


def open_what_fails(folder: Path) -> tuple[list[Path], object]:
    """A target for the test below: what it reads leaves half a file, dies or says too much."""
    (folder / "whole.txt").write_text("0" * 100)

    def read(path: Path) -> None:
        number = int(path.name.split("_")[1])
        if number == 1:
            raise ZeroDivisionError("half\nread")
        if number == 2:
            raise SystemExit
        if number == 3:
            (folder / ".kneebundle-0123456789ab.json").write_text("{")

    return [folder / "whole.txt"], read


def test_what_is_neither_read_nor_one_line_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    report = fuzz(FuzzTarget("failing", 100, "tests.evaluation.test_fuzzing:open_what_fails"), tmp_path, 4)
    assert (report.read, report.errors) == (1, 0)
    said = [what for _, what in report.faults]
    assert said == ["ZeroDivisionError: half\nread", "SystemExit: ", "half written: .kneebundle-0123456789ab.json"]
    assert len(list((tmp_path / "damaged").iterdir())) == 3
    assert "| failing | 1 | 0 | 3 |" in format_reports({"failing": report})


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_damaged_files_cost_only_themselves(tmp_path: Path, target: FuzzTarget) -> None:
    report = fuzz(target, tmp_path, 300, seed=1)
    assert report.faults == []
    assert report.read + report.errors == 300
    assert report.errors > 20


@pytest.mark.slow
def test_the_files_of_pydicom_cost_only_themselves(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_files

    whole = [Path(name) for name in sorted(get_testdata_files()) if Path(name).is_file()]
    assert read_all(whole, IMAGES, tmp_path).faults == []
