"""A run over many images: files, order, resuming, and images that cannot be used."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.batch.engine import RunOptions
from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.errors import KneeBundleError
from kneebundle.radiograph import Radiograph
from tests.batch.fakes import FakePipeline, write_picture


def requests_of(folder: Path, greys: list[int]) -> list[ImageRequest]:
    return [ImageRequest(write_picture(folder / f"k{i}.png", grey), spacing_mm=0.5) for i, grey in enumerate(greys)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    shown = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: content for name, content in shown.items() if not name.startswith(".kneebundle/")}


def run(requests: list[ImageRequest], output: Path, fake: FakePipeline | None = None, **options: Any) -> RunSummary:
    network = fake or FakePipeline()
    return predict_images(requests, output, lambda: network, RunOptions(**options))


def test_the_files_of_one_image(tmp_path: Path) -> None:
    [request] = requests_of(tmp_path / "in", [100])
    assert run([request], tmp_path / "out") == RunSummary(1, 0, 0, ())
    assert sorted(contents(tmp_path / "out")) == [
        "errors.csv",
        "images.csv",
        "k0.json",
        "k0.png",
        "landmarks.csv",
        "measurements.csv",
    ]
    document = json.loads((tmp_path / "out/k0.json").read_text())
    assert document["schema"] == "kneebundle/landmarks/1"
    assert document["image"]["path"] == str(request.path)
    first = rows(tmp_path / "out/landmarks.csv")[0]
    assert first == {
        "path": str(request.path),
        "side": "R",
        "landmark": "0",
        "name": "tibia_lateral_edge",
        "x_px": "2.0",
        "y_px": "21.0",
        "x_mm": "1.0",
        "y_mm": "10.5",
        "confidence": "0.5",
        "radius_mm": "",
        "flags": "",
    }
    width = next(r for r in rows(tmp_path / "out/measurements.csv") if r["name"] == "tibial_plateau_width")
    assert (width["side"], width["value"], width["unit"]) == ("R", "12.0", "mm")
    assert (tmp_path / "out/errors.csv").read_text() == "path,reason\n"


@pytest.mark.parametrize("workers", [0, 1, 5])
@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_rows_are_in_the_order_of_the_input_whatever_the_workers(tmp_path: Path, workers: int, batch_size: int) -> None:
    requests = requests_of(tmp_path / "in", [100, 40, 200, 5, 60, 70, 255, 80])[::-1]
    fake = FakePipeline()
    summary = run(requests, tmp_path / "out", fake, workers=workers, batch_size=batch_size, formats=("json", "csv"))
    answered = [str(r.path) for i, r in enumerate(requests) if i not in (1, 4)]
    assert [r["path"] for r in rows(tmp_path / "out/landmarks.csv")][::16] == answered
    assert max(fake.batches) <= batch_size
    assert (summary.done, [Path(path).name for path, _ in summary.errors]) == (6, ["k6.png", "k3.png"])


def test_a_bad_file_is_reported_in_one_line_and_the_others_are_predicted(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 5, 255, 20])
    broken = tmp_path / "in/broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n not really")
    absent = tmp_path / "in/absent.dcm"
    summary = run(
        [*requests, ImageRequest(broken, spacing_mm=0.5), ImageRequest(absent)], tmp_path / "out", batch_size=6
    )
    assert (summary.done, summary.flagged) == (2, 1)
    errors = rows(tmp_path / "out/errors.csv")
    assert [Path(e["path"]).name for e in errors] == ["k1.png", "k2.png", "broken.png", "absent.dcm"]
    assert errors[0]["reason"] == "no knee was found; give a knee radiograph"
    assert errors[1]["reason"] == "unexpected ZeroDivisionError: the network failed; please report it"
    assert "no such file" in errors[3]["reason"]
    assert not any("\n" in e["reason"] for e in errors)


def test_run_again_does_nothing_twice_but_tries_again_what_was_an_error(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 5, 120])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    again = FakePipeline()
    summary = run(requests, tmp_path / "out", again)
    assert again.seen == [str(requests[1].path)]
    assert (summary.done, summary.skipped, len(summary.errors)) == (0, 2, 1)
    assert contents(tmp_path / "out") == before


def test_the_pipeline_is_not_made_when_all_is_done(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")

    def never() -> FakePipeline:
        raise AssertionError("made for nothing")

    assert predict_images(requests, tmp_path / "out", never).skipped == 1


def test_killed_in_the_middle_and_run_again_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 5, 120, 40, 50, 255, 60])
    requests += [ImageRequest(write_picture(tmp_path / "in/deeper/k0.png", 90), spacing_mm=0.5)]
    run(requests, tmp_path / "whole", batch_size=2)
    killed = FakePipeline(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(requests, tmp_path / "out", killed, batch_size=2)
    (tmp_path / "out/.leftover.json").write_text("{")
    done_before = set(contents(tmp_path / "out"))
    assert "k0.json" in done_before and "deeper_k0.json" not in done_before
    assert "landmarks.csv" in done_before, "what is done is in the tables of a run that was stopped, too"
    resumed = FakePipeline()
    run(requests, tmp_path / "out", resumed, batch_size=2)
    answered = {p for p in killed.seen if p not in resumed.seen}
    assert answered
    (tmp_path / "out/.leftover.json").unlink()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_record_or_a_missing_picture_is_done_again(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120, 140])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out/k0.json").write_text('{"schema": "kneebundle/landmarks/1"')
    (tmp_path / "out/k2.png").unlink()
    again = FakePipeline()
    run(requests, tmp_path / "out", again)
    assert again.seen == [str(requests[0].path), str(requests[2].path)]
    assert contents(tmp_path / "out") == before


def test_overwrite_does_all_again_and_removes_the_files_of_what_is_an_error_now(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    write_picture(requests[0].path, 5)
    write_picture(requests[1].path, 200)
    summary = run(requests, tmp_path / "out", overwrite=True)
    assert (summary.done, summary.skipped) == (1, 0)
    assert not (tmp_path / "out/k0.json").exists() and not (tmp_path / "out/k0.png").exists()
    assert rows(tmp_path / "out/landmarks.csv")[0]["y_px"] == "22.0"


def test_each_record_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = requests_of(tmp_path / "in", [100, 120, 140, 160])
    run(requests[:3], tmp_path / "out")
    (tmp_path / "out/k1.png").unlink()
    read: Counter[str] = Counter()
    original = PredictionFiles.read_record

    def counted(self: PredictionFiles, path: Path) -> dict[str, Any] | None:
        record = original(self, path)
        read[path.name] += record is not None
        return record

    monkeypatch.setattr(PredictionFiles, "read_record", counted)
    summary = run(requests[1:], tmp_path / "out", workers=1)
    assert (summary.done, summary.skipped) == (2, 1)
    assert read == {"k0.json": 1, "k1.json": 1, "k2.json": 1, "k3.json": 1}
    assert [Path(r["path"]).stem for r in rows(tmp_path / "out/landmarks.csv")][::16] == ["k1", "k2", "k3", "k0"]


def test_advice_stands_behind_the_reason_of_an_error_with_its_field(tmp_path: Path) -> None:
    class Refusing(FakePipeline):
        def predict_one(self, radiograph: Radiograph) -> KneeBundleError:
            return KneeBundleError("the side is not known", radiograph.path, "side")

    advice = {"side": "give it with --side", "view": "never this"}
    summary = run(requests_of(tmp_path / "in", [100]), tmp_path / "out", Refusing(), advice=advice)
    assert summary.errors[0][1] == "the side is not known; give it with --side"
    assert rows(tmp_path / "out/errors.csv")[0]["reason"] == summary.errors[0][1]


def test_the_same_stem_twice_makes_two_sets_of_files(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / "in" / name, 100 + i) for i, name in enumerate(["a/x.png", "b/x.png", "b/y.png"])]
    run([ImageRequest(p, spacing_mm=0.5) for p in paths], tmp_path / "out", formats=("json",))
    assert sorted(contents(tmp_path / "out")) == ["a_x.json", "b_x.json", "errors.csv", "y.json"]


def test_a_later_run_over_other_images_touches_no_earlier_prediction(tmp_path: Path) -> None:
    first = ImageRequest(write_picture(tmp_path / "a/x.png", 100), spacing_mm=0.5)
    second = ImageRequest(write_picture(tmp_path / "b/x.png", 200), spacing_mm=0.5)
    run([first], tmp_path / "out", formats=("json", "csv"))
    before = (tmp_path / "out/x.json").read_bytes()
    run([second], tmp_path / "out", formats=("json", "csv"))
    assert (tmp_path / "out/x.json").read_bytes() == before
    assert [r["path"] for r in rows(tmp_path / "out/landmarks.csv")][::16] == [str(second.path), str(first.path)]
    both = FakePipeline()
    run([first, second], tmp_path / "out", both, formats=("json", "csv"))
    assert both.seen == []


def test_csv_alone_writes_no_json_and_still_resumes(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out", formats=("csv",))
    assert [p.name for p in sorted((tmp_path / "out").iterdir()) if p.is_file()] == [
        "errors.csv",
        "images.csv",
        "landmarks.csv",
        "measurements.csv",
    ]
    again = FakePipeline()
    run(requests, tmp_path / "out", again, formats=("csv",))
    assert again.seen == []
    assert len(rows(tmp_path / "out/landmarks.csv")) == 32


def test_side_and_spacing_of_the_request_are_used_and_named(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "in/x.png", 100)
    run([ImageRequest(path, "L", 0.25, "manifest")], tmp_path / "out", formats=("json",))
    document = json.loads((tmp_path / "out/x.json").read_text())
    assert document["image"]["spacing_source"] == "manifest"
    assert document["image"]["spacing_mm"] == [0.25, 0.25]
    assert document["knees"][0]["side"] == "L"


def test_an_output_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    fail: Callable[[], FakePipeline] = FakePipeline
    with pytest.raises(KneeBundleError, match="cannot make the output folder"):
        predict_images(requests_of(tmp_path / "in", [100]), tmp_path / "out", fail)


def test_relative_paths_outlive_a_change_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ITK changes it for a moment when it is loaded, while other threads read and write."""
    from PIL import Image

    (tmp_path / "elsewhere").mkdir()
    for name in ("a", "b"):
        pixels = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    requests = [ImageRequest(Path(f"{name}.png"), "R", 0.5) for name in ("a", "b")]

    def pipeline() -> FakePipeline:
        os.chdir(tmp_path / "elsewhere")
        return FakePipeline()

    summary = predict_images(requests, Path("out"), pipeline, RunOptions(formats=("json", "csv")))
    assert summary.done == 2 and not summary.errors
    assert sorted(p.name for p in (tmp_path / "out").glob("*.json")) == ["a.json", "b.json"]
    assert json.loads((tmp_path / "out" / "a.json").read_text())["image"]["path"] == "a.png"
