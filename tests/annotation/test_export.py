"""Corrected points as training data: readers of data sets take them, and they lie on what they mark."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.annotation.export import export_corrections
from kneebundle.datasets.knees import read_knees, read_landmark_table
from kneebundle.datasets.lateral import read_lateral_films
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import read_table
from tests.annotation.conftest import Client
from tests.annotation.studies import knee_points


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def test_accepted_and_corrected_knees_become_a_data_set(client: Client, study: Path, tmp_path: Path) -> None:
    film = client.get("films/both")
    right, left = film["items"]
    right.update(status="accepted")
    left.update(status="rejected", reason="cut off")
    assert client.save("both", items=[right, left])[0] == 200
    assert client.save("turned")[0] == 200
    assert client.save("none")[0] == 200
    assert client.save("implant")[0] == 200

    summary = export_corrections(study, tmp_path / "set")
    assert (summary.knees, summary.laterals) == (2, 0)
    assert dict(summary.left_out) == {"both L": "rejected: cut off", "implant R": "it has no points"}
    assert read_table(tmp_path / "set" / "left_out.csv", ["name", "reason"])[0]["name"] == "both L"

    records = read_landmark_table(tmp_path / "set" / "landmarks.csv")
    assert [(r["image"], r["side"], r["spacing_mm"]) for r in records] == [
        ("both_R.png", "R", 0.3),
        ("turned_R.png", "R", 0.3),
    ]
    assert records[0]["subject_id"] == "both"
    assert len(records[1]["subject_id"]) == 20 and "4711" not in records[1]["subject_id"]
    hashes = (hashlib.sha256(text.encode()).hexdigest() for text in ("4711", "both", "/4711"))
    assert not [text for text in hashes if text.startswith(records[1]["subject_id"][:8])], "it cannot be guessed"
    assert len(read_knees(tmp_path / "set", "training", fold=-1)) == 2
    for record in records:  # every landmark is a bright dot of the drawing
        picture = np.asarray(Image.open(tmp_path / "set" / "images" / record["image"])).astype(float)
        assert picture.shape == (467, 467)
        for x, y in record["landmarks"]:
            around = picture[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean()
            beside = picture[round(y) - 2 : round(y) + 3, round(x) + 16 : round(x) + 21].mean()
            assert around > 110 or around > beside + 40


def test_a_left_knee_is_not_mirrored_and_moved_points_count(client: Client, study: Path, tmp_path: Path) -> None:
    film = client.get("films/both")
    right, left = film["items"]
    left["points"][0][0] += 6
    for item in (right, left):
        item["status"] = "accepted"
    client.save("both", items=[right, left])
    export_corrections(study, tmp_path / "set")
    record = read_landmark_table(tmp_path / "set" / "landmarks.csv")[1]
    shape_mm = (knee_points("L", (0.0, 0.0), (0.5, 0.5)) * 0.5) - [0, 0]
    found_mm = (record["landmarks"] - record["landmarks"][4]) * 0.3
    expected = shape_mm - shape_mm[4]
    expected[0, 0] += 3.0
    np.testing.assert_allclose(found_mm, expected, atol=0.02)


def test_lateral_radiographs_become_a_data_set_of_their_own(client: Client, study: Path, tmp_path: Path) -> None:
    assert client.save("side")[0] == 200
    summary = export_corrections(study, tmp_path / "set")
    assert (summary.knees, summary.laterals) == (0, 1)
    assert not (tmp_path / "set" / "landmarks.csv").exists()
    records = read_lateral_films(tmp_path / "set" / "lateral", "training", fold=-1)
    np.testing.assert_allclose(records[0]["landmarks"], [[214, 180], [201, 160]])
    np.testing.assert_allclose(records[0]["cortex_line"], [[200, 80], [200, 150]])
    mask = np.asarray(Image.open(tmp_path / "set" / "lateral" / "masks" / "side_femur.png"))
    assert mask[20:220, 200:260].all() and not mask[:20].any()


def test_what_is_not_decided_or_not_complete_is_left_out(client: Client, study: Path, tmp_path: Path) -> None:
    right, left = client.get("films/both")["items"]
    right["points"][3] = None
    right["status"] = "accepted"
    client.save("both", items=[right, left])
    with pytest.raises(KneeBundleError, match=r"none of its 2 knees .* both R: 1 of its 16 points are not visible"):
        export_corrections(study, tmp_path / "set")
    assert not (tmp_path / "set" / "landmarks.csv").exists()
    record = json.loads((study / "both.json").read_text())
    (study / "both.json").unlink()
    assert record
    client.save("turned")
    left_out = dict(export_corrections(study, tmp_path / "set").left_out)
    assert "not visible" in left_out["both R"]
    assert left_out["both L"] == "open: neither accepted nor rejected yet"


def test_a_data_set_of_others_is_left_alone(client: Client, study: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "landmarks.csv").write_text("mine")
    with pytest.raises(KneeBundleError, match="a data set in this folder already"):
        export_corrections(study, tmp_path / "data")
    assert [(p.name, p.read_text()) for p in (tmp_path / "data").glob("[!.]*")] == [("landmarks.csv", "mine")]


def test_no_corrections_are_an_error(study: Path, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no corrections"):
        export_corrections(study, tmp_path / "set")


def change(path: Path, part: str, **values: object) -> None:
    content = json.loads(path.read_text())
    content[part] |= values
    path.write_text(json.dumps(content))


def test_what_its_prediction_cannot_give_is_left_out_and_says_so(client: Client, study: Path, tmp_path: Path) -> None:
    for name in ("both", "turned", "side"):
        client.save(name)
    (study / "both.json").unlink()
    change(study / "side.json", "planning", masks={"femur": None})
    left_out = dict(export_corrections(study, tmp_path / "set").left_out)
    assert left_out == {
        "both R": "its prediction is no longer in the folder",
        "both L": "its prediction is no longer in the folder",
        "side": "the prediction wrote no masks of its bones; predict again with pictures",
    }
    change(study / "corrections/side.json", "image", spacing_mm=[0.5, 0.4])
    left_out = dict(export_corrections(study, tmp_path / "set").left_out)
    assert left_out["side"].startswith("its pixels are not square (0.5 x 0.4 mm)")


def test_points_that_the_region_does_not_hold_are_left_out(client: Client, study: Path, tmp_path: Path) -> None:
    client.save("turned")
    right, left = client.get("films/both")["items"]
    right["points"][0] = [395.0, 295.0]
    left["points"][0] = [5.0, 295.0]
    for item in (right, left):
        item["status"] = "accepted"
    client.save("both", items=[right, left])
    left_out = dict(export_corrections(study, tmp_path / "set").left_out)
    assert left_out and all("do not fit into 140 mm around the tibial centre" in reason for reason in left_out.values())
