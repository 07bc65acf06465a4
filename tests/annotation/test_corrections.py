"""Files of corrections: what is written is read, nothing is lost to another rater, broken ones are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kneebundle.annotation.corrections import (
    CorrectedPoints,
    Correction,
    CorrectionStatus,
    RevisionConflict,
    read_correction,
    read_corrections,
    write_correction,
)
from kneebundle.errors import KneeBundleError

IMAGE = {"path": "a.png", "sop_instance_uid": None, "rows": 90, "columns": 80, "spacing_mm": [0.5, 0.4], "view": None}


def a_knee(status: CorrectionStatus = "corrected", side: str = "R") -> CorrectedPoints:
    points = np.arange(32, dtype=float).reshape(16, 2) + 0.125
    points[3] = np.nan
    return CorrectedPoints(side, status, points, np.arange(16) == 3, reason="" if status != "rejected" else "cut off")


def a_correction(*knees: CorrectedPoints, rater: str = "Ann") -> Correction:
    prediction = {"file": "a.json", "sha256": "0" * 64}
    return Correction("a", IMAGE, prediction, knees or (a_knee(),), None, rater=rater, saved_at="2026-01-02T03:04:05Z")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    lateral = CorrectedPoints(None, "accepted", np.array([[1.0, 2], [3, 4], [5, 6], [np.nan, np.nan]]))
    for name, correction in {
        "knees": a_correction(a_knee(), a_knee("rejected", "L")),
        "lateral": Correction("a", IMAGE, {}, (), lateral),
        "empty": Correction("a", IMAGE, {}, (), None, empty_status="accepted"),
    }.items():
        saved = write_correction(correction, tmp_path / name, 0)
        found = read_correction(tmp_path / name / "a.json")
        assert found is not None
        assert (found.revision, found.status) == (1, saved.status)
        assert (found.image, found.rater, found.spacing_mm) == (IMAGE, correction.rater, (0.5, 0.4))
        assert len(found.items) == len(correction.items)
        for mine, theirs in zip(correction.items, found.items, strict=True):
            assert (mine.side, mine.status, mine.reason) == (theirs.side, theirs.status, theirs.reason)
            np.testing.assert_array_equal(mine.points, theirs.points)


def test_a_point_that_is_not_visible_is_null_and_not_zero(tmp_path: Path) -> None:
    write_correction(a_correction(), tmp_path, 0)
    point = json.loads((tmp_path / "a.json").read_text())["knees"][0]["landmarks"][3]
    assert point == {
        "id": 3, "name": "tibia_lateral_spine", "x_px": None, "y_px": None, "visible": False, "moved": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (["accepted", "open"], "open"),
        (["accepted", "corrected"], "corrected"),
        (["accepted", "rejected"], "accepted"),
        (["rejected", "rejected"], "rejected"),
    ],
)
def test_the_status_of_a_radiograph_follows_from_its_knees(statuses: list[CorrectionStatus], whole: str) -> None:
    knees = [a_knee(status, side) for status, side in zip(statuses, "RL", strict=True)]
    assert a_correction(*knees).status == whole


def test_a_rater_does_not_overwrite_another_unseen(tmp_path: Path) -> None:
    write_correction(a_correction(rater="Ann"), tmp_path, 0)
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(RevisionConflict, match="Ann saved this radiograph") as raised:
        write_correction(a_correction(rater="Bea"), tmp_path, 0)
    assert raised.value.current.rater == "Ann"
    assert (tmp_path / "a.json").read_bytes() == before
    assert write_correction(a_correction(rater="Bea"), tmp_path, 1).revision == 2
    with pytest.raises(RevisionConflict, match="Bea"):
        write_correction(a_correction(rater="Ann"), tmp_path, 1)


def test_a_file_that_went_away_is_a_conflict_too(tmp_path: Path) -> None:
    write_correction(a_correction(), tmp_path, 0)
    (tmp_path / "a.json").unlink()
    with pytest.raises(RevisionConflict):
        write_correction(a_correction(), tmp_path, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "schema is None"),
        ('{"schema": "kneebundle/landmarks/1"}', "schema is 'kneebundle/landmarks/1'"),
        ('{"schema": "kneebundle/corrections/1"}', "broken"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(KneeBundleError, match=f"a.json: .*{problem}"):
        read_corrections(tmp_path)


def test_an_unknown_status_or_landmark_is_an_error(tmp_path: Path) -> None:
    write_correction(a_correction(), tmp_path, 0)
    good = json.loads((tmp_path / "a.json").read_text())
    for change in ({"status": "fine"}, {"landmarks": [{"name": "hip", "x_px": 1, "y_px": 2}]}):
        (tmp_path / "a.json").write_text(json.dumps({**good, "knees": [{**good["knees"][0], **change}]}))
        with pytest.raises(KneeBundleError, match="broken"):
            read_correction(tmp_path / "a.json")


def test_no_corrections_are_an_error_and_hidden_files_are_none(tmp_path: Path) -> None:
    (tmp_path / ".0123456789ab.json").write_text("{")
    with pytest.raises(KneeBundleError, match="no corrections"):
        read_corrections(tmp_path)


@pytest.mark.parametrize("spacing", [[0, 0.4], [0.5, -1], [0.5, 1e999]])
def test_a_spacing_that_cannot_be_makes_a_correction_unreadable(tmp_path: Path, spacing: list[float]) -> None:
    write_correction(a_correction(), tmp_path, 0)
    content = json.loads((tmp_path / "a.json").read_text())
    content["image"]["spacing_mm"] = spacing
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(KneeBundleError, match=r"a\.json"):
        read_correction(tmp_path / "a.json")
