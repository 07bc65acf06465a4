from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.evaluation.fuzzing import fuzz_readers, make_seeds, read_all


def test_whole_files_are_read_and_others_are_errors_in_one_line(tmp_path: Path) -> None:
    seeds = make_seeds(tmp_path / "seeds")
    (tmp_path / "text.png").write_text("no picture")
    report = read_all([*(path for path in seeds if path.suffix != ".mha"), tmp_path / "text.png"])
    assert (report.read, report.errors, report.faults) == (len(seeds) - 1, 1, [])
    assert 0 < report.memory_mb < 2048


@pytest.mark.slow
def test_damaged_files_cost_only_themselves(tmp_path: Path) -> None:
    report = fuzz_readers(make_seeds(tmp_path / "seeds"), tmp_path / "damaged", 700, seed=1)
    assert report.faults == []
    assert report.read + report.errors == 700
    assert report.errors > 200
    assert list((tmp_path / "damaged").iterdir()) == []


@pytest.mark.slow
def test_the_files_of_pydicom_cost_only_themselves() -> None:
    from pydicom.data import get_testdata_files

    report = read_all([Path(name) for name in sorted(get_testdata_files()) if Path(name).is_file()])
    assert report.faults == []
