"""Lateral films in a run: the files, mixed manifests, resuming, errors, the measuring sphere."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from kneebundle import cli
from kneebundle.batch.engine import RunOptions
from kneebundle.batch.manifest import read_manifest
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.pipelines import lateral as lateral_pipeline
from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView
from kneebundle.pipelines.lateral import LateralPipeline
from tests.batch.fakes import FakePipeline, write_picture
from tests.batch.lateral_fakes import DrawnKnee, ExactModel, film, write_film

KNEE = DrawnKnee((70.0, 90.0))
ROWS, COLUMNS, SPACING = 260, 180, (0.9, 1.2)
BONES = ("femur", "patella", "tibia", "fibula")


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateral_pipeline, "find_sphere", lambda *_: None)
    monkeypatch.setattr(lateral_pipeline, "check_lateral", lambda *_: None)


def write_lateral(path: Path, orientation: list[str] | None = None) -> Path:
    """A lateral DICOM film on which the exact network finds KNEE, whichever way it is stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = film(ROWS, COLUMNS, SPACING).pixels.astype(np.uint16)
    attributes = {} if orientation is None else {"PatientOrientation": orientation}
    if orientation is not None and orientation[1] == "H":
        pixels = pixels[::-1]
    write_dicom(
        path, pixels, SPACING, side="L", view="lateral", attributes={**attributes, "PatientName": "Mustermann^Erika"}
    )
    return path


class Counted:
    """Makers of pipelines that count how often they were asked."""

    def __init__(self, lateral: Any = None) -> None:
        self.made: list[str] = []
        self.frontal = FakePipeline()
        self.model = ExactModel(KNEE)
        self.lateral = lateral or LateralPipeline(self.model)

    def pipelines(self) -> PipelinesByView:
        def make(name: str, pipeline: Any) -> Callable[[], Any]:
            def made() -> Any:
                self.made.append(name)
                return pipeline

            return made

        return PipelinesByView(make("frontal", self.frontal), make("lateral", self.lateral))


def run(requests: list[ImageRequest], output: Path, counted: Counted | None = None, **options: Any) -> RunSummary:
    return predict_images(requests, output, (counted or Counted()).pipelines, RunOptions(advice=cli.ADVICE, **options))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("orientation", [None, ["A", "H"]])
def test_the_files_of_a_lateral_film_in_pixels_of_the_file(tmp_path: Path, orientation: list[str] | None) -> None:
    source = write_lateral(tmp_path / "in/a.dcm", orientation)
    summary = run([ImageRequest(source)], tmp_path / "out", formats=("json", "csv", "png", "seg", "sr"))
    assert (summary.done, summary.errors) == (1, ())
    masks = {f"a_{bone}.png" for bone in BONES}
    tables = {"landmarks.csv", "measurements.csv", "images.csv", "errors.csv"}
    assert names(tmp_path / "out") == {"a.json", "a.png", "a_seg.dcm", "a_sr.dcm", *masks, *tables}
    document = json.loads((tmp_path / "out/a.json").read_text())
    planning = document["planning"]
    x, y = KNEE.schoettle_mm / SPACING[::-1]
    point = np.array([x, ROWS - 1 - y if orientation else y])
    found = planning["schoettle_point"]
    np.testing.assert_allclose([found["x_px"], found["y_px"]], point, atol=0.02)
    np.testing.assert_allclose([found["x_mm"], found["y_mm"]], point * SPACING[::-1], atol=0.02)
    assert planning["masks"] == {bone: f"a_{bone}.png" for bone in BONES}
    femur = np.array(Image.open(tmp_path / "out/a_femur.png"))
    assert femur.shape == (ROWS, COLUMNS)
    assert femur[round(point[1]), round(point[0])] == 255, "the point lies in the femur of the stored image"
    last = rows(tmp_path / "out/landmarks.csv")[-1]
    assert (last["side"], last["name"], last["landmark"]) == ("L", "schoettle_point", "2")
    assert dcmread(tmp_path / "out/a_seg.dcm").PatientName == "Mustermann^Erika"
    written = [path.read_bytes() for path in (tmp_path / "out").iterdir() if path.suffix in (".json", ".csv", ".png")]
    assert not any(b"Mustermann" in content for content in written)


@pytest.mark.usefixtures("no_search")
def test_each_film_of_a_mixed_manifest_goes_to_its_pipeline(tmp_path: Path) -> None:
    write_lateral(tmp_path / "stated.dcm")
    write_film(tmp_path / "told.png", film(ROWS, COLUMNS, SPACING))
    write_picture(tmp_path / "front.png", 100)
    (tmp_path / "m.csv").write_text(
        "path,side,spacing_mm,view\nfront.png,R,0.5,\nstated.dcm,,,\ntold.png,R,0.9,lateral\n"
    )
    counted = Counted()
    requests = read_manifest(tmp_path / "m.csv", tmp_path / "out")
    assert run(requests, tmp_path / "out", counted, batch_size=3).done == 3
    assert sorted(counted.made) == ["frontal", "lateral"]
    documents = {name: json.loads((tmp_path / f"out/{name}.json").read_text()) for name in ("front", "stated", "told")}
    assert {name: "planning" in document for name, document in documents.items()} == {
        "front": False,
        "stated": True,
        "told": True,
    }
    assert documents["told"]["planning"]["side"] == "R"
    assert [Path(row["path"]).stem for row in rows(tmp_path / "out/landmarks.csv")] == (
        ["front"] * 16 + ["stated"] * 3 + ["told"] * 3
    )


@pytest.mark.usefixtures("no_search")
def test_networks_that_no_film_needs_are_not_loaded(tmp_path: Path) -> None:
    counted = Counted()
    run([ImageRequest(write_picture(tmp_path / "front.png", 100), spacing_mm=0.5)], tmp_path / "out", counted)
    assert counted.made == ["frontal"]


@pytest.mark.usefixtures("no_search")
def test_networks_that_cannot_be_loaded_are_an_error_of_their_films_alone(tmp_path: Path) -> None:
    def absent() -> Any:
        raise KneeBundleError("the bundle has no weights", "bundle")

    front = write_picture(tmp_path / "front.png", 100)
    requests = [ImageRequest(write_lateral(tmp_path / "a.dcm")), ImageRequest(front, spacing_mm=0.5)]
    summary = predict_images(requests, tmp_path / "out", lambda: PipelinesByView(FakePipeline, absent))
    assert summary.done == 1
    assert summary.errors == ((str(tmp_path / "a.dcm"), "a lateral film; bundle: the bundle has no weights"),)


@pytest.mark.usefixtures("no_search")
def test_run_again_does_nothing_twice_and_makes_good_what_is_missing(tmp_path: Path) -> None:
    requests = [ImageRequest(write_lateral(tmp_path / f"in/{name}.dcm")) for name in "ab"]
    counted = Counted()
    run(requests, tmp_path / "out", counted)
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").iterdir()) if path.is_file()}
    assert run(requests, tmp_path / "out", counted).skipped == 2
    assert counted.model.asked == 2
    (tmp_path / "out/b_tibia.png").unlink()
    run(requests, tmp_path / "out", counted)
    assert counted.model.asked == 3
    assert {path: path.read_bytes() for path in sorted((tmp_path / "out").iterdir()) if path.is_file()} == before
    run(requests, tmp_path / "out", counted, formats=("json", "csv", "png", "seg"))
    assert counted.model.asked == 5, "a format that was not asked for before"
    assert run(requests, tmp_path / "out", counted, formats=("json", "seg")).skipped == 2


def test_a_film_that_is_not_lateral_is_flagged_and_not_predicted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateral_pipeline, "find_sphere", lambda *_: None)
    monkeypatch.setattr(lateral_pipeline, "check_lateral", lambda *_: "it looks like a film from the front")
    requests = [ImageRequest(write_lateral(tmp_path / "in/a.dcm"))]
    counted = Counted()
    formats = ("json", "csv", "png", "seg", "sr")
    summary = run(requests, tmp_path / "out", counted, formats=formats)
    assert (summary.done, summary.flagged, summary.errors) == (1, 1, ())
    planning = json.loads((tmp_path / "out/a.json").read_text())["planning"]
    assert (planning["refused"], planning["schoettle_point"]) == ("it looks like a film from the front", None)
    assert names(tmp_path / "out") == {
        *("a.json", "a.png", "landmarks.csv", "measurements.csv", "images.csv", "errors.csv")
    }
    assert run(requests, tmp_path / "out", counted, formats=formats).skipped == 1


@pytest.mark.usefixtures("no_search")
def test_dicom_formats_of_a_picture_cost_these_formats_and_no_other(tmp_path: Path) -> None:
    picture = write_film(tmp_path / "in/a.png", film(ROWS, COLUMNS, SPACING))
    front = write_picture(tmp_path / "in/front.png", 100)
    requests = [ImageRequest(picture, "R", 0.9, view="lateral"), ImageRequest(front, "R", 0.5)]
    counted = Counted()
    summary = run(requests, tmp_path / "out", counted, formats=("json", "seg"))
    [(path, reason)] = summary.errors
    assert json.loads((tmp_path / "out/a.json").read_text())["planning"]
    assert not list((tmp_path / "out").glob("*.dcm"))
    assert path == str(picture) and "refer to the DICOM image" in reason and "--formats" in reason
    assert summary.done == 1, "a film from the front has no bones to segment"
    assert run(requests, tmp_path / "out", counted, formats=("json",)).skipped == 2
    assert len(run(requests, tmp_path / "other", counted, formats=("json", "sr")).errors) == 2


@pytest.mark.usefixtures("no_search")
def test_what_is_an_error_now_leaves_nothing_of_an_earlier_prediction(tmp_path: Path) -> None:
    source = write_lateral(tmp_path / "in/a.dcm")
    formats = ("json", "png", "seg", "sr")
    run([ImageRequest(source)], tmp_path / "out", formats=formats)
    source.write_bytes(source.read_bytes()[:2000])
    assert len(run([ImageRequest(source)], tmp_path / "out", formats=formats, overwrite=True).errors) == 1
    assert names(tmp_path / "out") == {"errors.csv"}


@pytest.mark.usefixtures("no_search")
def test_an_image_named_like_a_mask_keeps_its_own_files(tmp_path: Path) -> None:
    requests = [ImageRequest(write_lateral(tmp_path / f"in/{name}.dcm")) for name in ("a", "a_femur")]
    run(requests, tmp_path / "out", formats=("json", "png"))
    assert {"a.json", "a_femur.png", "a_femur-2.json", "a_femur-2.png"} <= names(tmp_path / "out")


def test_a_picture_without_spacing_is_measured_by_its_sphere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateral_pipeline, "check_lateral", lambda *_: None)
    with_sphere = write_film(tmp_path / "in/a.png", film(300, 240, (0.8, 0.8), sphere_mm=(150.0, 60.0)))
    requests = [
        ImageRequest(with_sphere, view="lateral"),
        ImageRequest(write_picture(tmp_path / "in/b.png", 100), view="lateral"),
        ImageRequest(write_picture(tmp_path / "in/c.png", 100)),
    ]
    summary = run(requests, tmp_path / "out", formats=("json",))
    assert [(Path(path).name, "--spacing MM" in reason) for path, reason in summary.errors] == [
        ("b.png", True),
        ("c.png", True),
    ]
    document = json.loads((tmp_path / "out/a.json").read_text())
    assert document["image"]["spacing_source"] == "sphere"
    assert document["image"]["spacing_mm"] == pytest.approx([0.8, 0.8], rel=0.025)
    sphere = document["planning"]["sphere"]
    assert (sphere["x_px"], sphere["y_px"]) == pytest.approx((187.5, 75.0), abs=0.5)


@pytest.mark.usefixtures("no_search")
def test_the_command_line_plans_lateral_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    views = []

    def from_bundles(options: PipelineOptions) -> PipelinesByView:
        views.append(options.views)
        return Counted().pipelines()

    monkeypatch.setattr(PipelinesByView, "from_bundles", from_bundles)
    source = write_film(tmp_path / "in/a.png", film(ROWS, COLUMNS, SPACING))
    call = ["predict", str(source), "-o", str(tmp_path / "out"), "--view", "lateral", "--spacing", "0.9"]
    with pytest.raises(SystemExit) as stopped:
        cli.main(call)
    assert int(stopped.value.code or 0) == 0
    assert views == [{"lateral"}]
    assert capsys.readouterr().out.startswith("1 done")
    assert json.loads((tmp_path / "out/a.json").read_text())["planning"]["refused"] is None
