"""The JSON file of one radiograph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.reports.json_report import read_document, to_document, write_document
from kneebundle.results import Flag, KneeResult, ModelInfo, RadiographResult


def result() -> RadiographResult:
    film = Radiograph(
        np.eye(40), (0.2, 0.4), "a.dcm", "PixelSpacing", view="pa-bilateral", sop_instance_uid="1.2", notes=("n",)
    )
    points = np.stack([np.linspace(1, 31, 16), np.where(np.arange(16) < 9, 30.0, 20.0)], axis=1)
    found = Landmarks(points, "px", confidence=np.full(16, 0.87654), radius_mm=np.full(16, 2.71828))
    width = Measurement("tibial_plateau_width", 6.40004, "mm", 0.25, (np.array([[1.0, 2.0], [3.126, 4.0]]),))
    missing = Measurement("joint_space_width_medial", None, "mm", source="edges", reason="not clear")
    measured = {m.name: m for m in (width, missing)}
    right = KneeResult("R", (10.0, 20.12345), 140.0, found, measurements=measured)
    left = KneeResult("L", (30.0, 20.0), 140.0, None, (Flag("implant", "an arthroplasty"),))
    return RadiographResult(
        film, (right, left), (ModelInfo("b", "0.1", "ab"),), (Flag("cut_off", "cut"),), {"extra": 1}
    )


def test_the_document_follows_the_schema() -> None:
    document = to_document(result())
    assert document["schema"] == "kneebundle/landmarks/1"
    assert document["image"] == {
        "path": "a.dcm",
        "sop_instance_uid": "1.2",
        "rows": 40,
        "columns": 40,
        "spacing_mm": [0.2, 0.4],
        "spacing_source": "PixelSpacing",
        "view": "pa-bilateral",
        "notes": ["n"],
    }
    assert document["models"] == [{"bundle": "b", "version": "0.1", "sha256": "ab"}]
    right = document["knees"][0]
    assert (right["side"], right["center_px"], right["roi_mm"]) == ("R", [10.0, 20.123], 140.0)
    assert right["landmarks"][1] == {
        "id": 1,
        "name": "tibia_lateral_plateau_outer",
        "x_px": 3.0,
        "y_px": 30.0,
        "x_mm": 1.2,
        "y_mm": 6.0,
        "confidence": 0.877,
        "radius_mm": 2.718,
    }
    assert right["measurements"]["tibial_plateau_width"] == {
        "value": 6.4,
        "unit": "mm",
        "uncertainty": 0.25,
        "source": "landmarks",
        "segments_px": [[[1.0, 2.0], [3.13, 4.0]]],
    }
    assert right["measurements"]["joint_space_width_medial"] == {
        "value": None,
        "unit": "mm",
        "uncertainty": None,
        "source": "edges",
        "segments_px": [],
        "reason": "not clear",
    }
    assert (document["flags"], document["extra"]) == ([{"code": "cut_off", "message": "cut"}], 1)


def test_a_knee_without_landmarks_says_why() -> None:
    left = to_document(result())["knees"][1]
    assert (left["landmarks"], left["measurements"], left["flags"]) == (
        [],
        {},
        [{"code": "implant", "message": "an arthroplasty"}],
    )


def test_what_is_written_is_read_and_what_is_no_record_is_not(tmp_path: Path) -> None:
    document = to_document(result())
    write_document(document, tmp_path / "a.json")
    assert read_document(tmp_path / "a.json") == document
    (tmp_path / "b.json").write_text(json.dumps({"schema": "kneebundle/registration/1"}))
    (tmp_path / "c.json").write_text((tmp_path / "a.json").read_text()[:100])
    assert [read_document(tmp_path / name) for name in ("b.json", "c.json", "none.json")] == [None, None, None]
