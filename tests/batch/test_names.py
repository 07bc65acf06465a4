"""Names of output files: the stem where it is unique, and never the same for two images."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.batch.names import output_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/knee.dcm", "b/other.png"], ["knee", "other"]),
        (["a/001", "b/c/001"], ["a_001", "b_c_001"]),
        (["in/knee.dcm", "in/knee.png"], ["knee.dcm", "knee.png"]),
        (["in/a/x.dcm", "in/a/x.png", "in/b/x.png"], ["a_x.dcm", "a_x.png", "b_x.png"]),
        (["a/Knee.png", "b/knee.png"], ["a_Knee", "b_knee"]),
        (["a/b_x.png", "a_b/x.png", "a/b/x.png"], ["b_x", "a_b_x", "a_b_x-2"]),
        (["a/x.png", "b/x.png", "c/a_x.png"], ["a_x-2", "b_x", "a_x"]),
        (["1.2.840.10008.1", "1.2.840.10008.2"], ["1.2.840.10008.1", "1.2.840.10008.2"]),
        (["in/x.png", "in/x_femur.png", "in/x_before_after.png"], ["x", "x_femur-2", "x_before_after-2"]),
        (["scan.nii.gz", "evaluation.png"], ["scan", "evaluation-2"]),
    ],
)
def test_names(paths: list[str], names: list[str]) -> None:
    assert output_names([Path(p) for p in paths]) == names


def test_taken_names_are_left_alone() -> None:
    assert output_names([Path("b/x.png")], taken=["X"]) == ["x-2"]
