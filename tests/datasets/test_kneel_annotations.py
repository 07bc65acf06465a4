"""The annotation file: as it comes and as spreadsheets leave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.datasets.kneel_annotations import read_annotations
from kneebundle.errors import KneeBundleError

NUMBERS = {count: '"' + ",".join(map(str, range(count))) + '"' for count in (18, 14, 4, 2)}


def write(path: Path, *knees: str) -> Path:
    lines = [f"{knee},{NUMBERS[18]},{NUMBERS[14]},{NUMBERS[4]},{NUMBERS[2]}" for knee in knees]
    path.write_text("\n".join(["subject_id,side,kl,tibia,femur,bbox,center", *lines]) + "\n")
    return path


def test_numbers_of_subjects_are_read_as_spreadsheets_leave_them(tmp_path: Path) -> None:
    knees = read_annotations(write(tmp_path / "a.csv", "9000099.0,R,2.0", "9.000099E+06,l,3", "9000100,L,0"))
    assert list(knees) == [("9000099", "R"), ("9000099", "L"), ("9000100", "L")]
    assert [knee.grade for knee in knees.values()] == ["2", "3", "0"]


@pytest.mark.parametrize("second", ["9000099,R,3", "9000099.0,r,2"])
def test_a_knee_that_is_listed_twice_is_an_error(tmp_path: Path, second: str) -> None:
    with pytest.raises(KneeBundleError, match="line 4: knee R of subject 9000099 is in line 2 already"):
        read_annotations(write(tmp_path / "a.csv", "9000099,R,2", "9000099,L,2", second))


@pytest.mark.parametrize("subject", ["../../x", "a/b", "", "9000099.5", "..", "x y"])
def test_a_subject_that_is_no_name_of_a_file_is_an_error(tmp_path: Path, subject: str) -> None:
    with pytest.raises(KneeBundleError, match="line 2: subject_id is .*; the number of a subject is needed"):
        read_annotations(write(tmp_path / "a.csv", f"{subject},R,2"))


def test_a_subject_may_be_a_name_and_numbers_must_be_numbers(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "knee_7-b,R,2")
    assert list(read_annotations(table)) == [("knee_7-b", "R")]
    table.write_text(table.read_text().replace('"0,1"', '"0,one"'))
    with pytest.raises(KneeBundleError, match="line 2: center is '0,one'; 2 numbers"):
        read_annotations(table)
