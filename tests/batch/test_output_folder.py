"""What is done again and what is not, whose files are whose, and a run that is stopped, locked out or out of room."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import kneebundle
from kneebundle.batch import output_folder
from kneebundle.batch.engine import RunOptions
from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.manifest import find_requests, read_manifest
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import hold_folder, mark_folder, read_mark
from tests.batch.fakes import FakePipeline, write_picture
from tests.batch.test_run import contents, requests_of

MADE_WITH = {"stages": 2, "bundles": {"fake": "a" * 64, "other": "b" * 64}}


def run(requests: list[ImageRequest], output: Path, fake: FakePipeline | None = None, **options: Any) -> RunSummary:
    made_with = options.pop("made_with", MADE_WITH)
    network = fake or FakePipeline()
    return predict_images(requests, output, lambda: network, RunOptions(**options), made_with=made_with)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def spacing_in(folder: Path) -> float:
    return json.loads((folder / "k0.json").read_text())["image"]["spacing_mm"][0]


# --- what is done again


def test_the_same_again_is_not_done_again(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    summary = run(requests, tmp_path / "out")
    assert (summary.done, summary.skipped, summary.again) == (0, 2, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spacing_mm": 0.25}, "with another side, view or spacing"),
        ({"spacing_source": "manifest"}, "with another side, view or spacing"),
        ({"side": "L"}, "with another side, view or spacing"),
        ({"view": "pa-single"}, "with another side, view or spacing"),
    ],
)
def test_another_request_is_done_again(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    [request] = requests_of(tmp_path / "in", [100])
    run([request], tmp_path / "out")
    other = ImageRequest(**{**request.__dict__, **change})
    assert run([other], tmp_path / "out").again == {reason: 1}
    assert spacing_in(tmp_path / "out") == other.spacing_mm
    assert run([other], tmp_path / "out").skipped == 1


@pytest.mark.parametrize(
    ("made_with", "again"),
    [
        ({**MADE_WITH, "stages": 1}, {"with other options": 1}),
        ({**MADE_WITH, "bundles": {"fake": "c" * 64, "other": "b" * 64}}, {"with other bundles or weights": 1}),
        ({**MADE_WITH, "bundles": {"fake": "a" * 64, "other": "c" * 64}}, {}),  # it had no part in the result
    ],
)
def test_other_options_or_weights_are_done_again(tmp_path: Path, made_with: Any, again: dict[str, int]) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    assert run(requests, tmp_path / "out", made_with=made_with).again == again


def test_another_version_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    monkeypatch.setattr(kneebundle, "__version__", "99.0")
    assert run(requests, tmp_path / "out").again == {"of another version": 1}


def test_a_replaced_image_is_done_again_even_with_the_same_size_and_date(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    before = requests[0].path.stat()
    other = write_picture(tmp_path / "other.png", 104).read_bytes()
    requests[0].path.write_bytes(other[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(requests[0].path, ns=(before.st_atime_ns, before.st_mtime_ns))
    summary = run(requests, tmp_path / "out")
    assert (summary.again, summary.skipped) == ({"whose image changed": 1}, 1)


def test_a_touched_or_moved_image_of_the_same_content_is_not_done_again(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "study/in", [100])
    run(requests, tmp_path / "study/out")
    os.utime(requests[0].path)
    assert run(requests, tmp_path / "study/out").skipped == 1
    shutil.move(tmp_path / "study", tmp_path / "moved")
    moved = [ImageRequest(tmp_path / "moved/in/k0.png", spacing_mm=0.5)]
    assert run(moved, tmp_path / "moved/out").skipped == 1


def test_the_same_relative_path_from_elsewhere_is_another_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for site, grey in (("a", 100), ("b", 120)):
        write_picture(tmp_path / site / "in/k0.png", grey)
        monkeypatch.chdir(tmp_path / site)
        assert run([ImageRequest(Path("in/k0.png"), spacing_mm=0.5)], tmp_path / "out").done == 1
    assert {"k0.json", "k0-2.json"} <= set(contents(tmp_path / "out"))
    assert len(rows(tmp_path / "out/landmarks.csv")) == 32


def test_one_image_by_several_spellings_is_done_once(tmp_path: Path) -> None:
    image = write_picture(tmp_path / "in/k0.png", 100)
    (tmp_path / "link.png").symlink_to(image)
    spellings = [image, tmp_path / "in/../in/k0.png", tmp_path / "link.png"]
    found = find_requests(spellings, tmp_path / "out", spacing_mm=0.5)
    assert [request.path for request in found] == [image]
    run(found, tmp_path / "out")
    assert run([ImageRequest(spellings[1], spacing_mm=0.5)], tmp_path / "out").skipped == 1
    table = tmp_path / "m.csv"
    table.write_text("path,spacing_mm\nin/k0.png,0.5\n./in/../in/k0.png,0.6\n")
    with pytest.raises(KneeBundleError, match="line 3: .* is listed twice with different values"):
        read_manifest(table, tmp_path / "out")


def test_an_emptied_picture_and_a_changed_record_are_made_again(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120, 140])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out/k0.png").write_bytes(b"")
    record = tmp_path / "out/k1.json"
    record.write_text(record.read_text().replace("20.", "21.", 1))
    assert run(requests, tmp_path / "out").again == {"whose files were changed or are missing": 2}
    assert contents(tmp_path / "out") == before


def test_what_is_not_written_again_does_not_stay_beside_new_results(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    write_picture(requests[0].path, 120)
    run(requests, tmp_path / "out", formats=("json",))
    assert not (tmp_path / "out/k0.png").exists(), "it showed the image that was there before"
    assert rows(tmp_path / "out/landmarks.csv")[0]["y_px"] == "21.2", "a table of an earlier run is kept up to date"


# --- whose files are whose


@pytest.mark.parametrize("name", ["k0.json", "k0.png", "k0_femur.png", "landmarks.csv", "errors.csv"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_are_an_error_before_anything_is_done(tmp_path: Path, name: str, overwrite: bool) -> None:
    requests = requests_of(tmp_path / "in", [100, 5])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    fake = FakePipeline()
    with pytest.raises(KneeBundleError, match=rf"kneebundle did not write, .*: {name}; move them away") as raised:
        run(requests, tmp_path / "out", fake, overwrite=overwrite)
    assert raised.value.field == "output"
    assert fake.seen == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_files_of_others_that_nothing_has_the_name_of_are_left_alone(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 5])
    (tmp_path / "out").mkdir()
    mine = {"k1.json": "notes", "k0_seg.dcm": "seg", "other.png": "x", "k0.txt": "y"}
    mine.pop("k1.json")
    for name, text in mine.items():
        (tmp_path / "out" / name).write_text(text)
    assert run(requests, tmp_path / "out").done == 1
    assert {name: (tmp_path / "out" / name).read_text() for name in mine} == mine


def test_an_image_that_is_refused_takes_no_file_of_others_with_it(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", PredictionFiles(("json", "png")))
    [job] = folder.plan(requests_of(tmp_path / "in", [100]))
    for name in ("k0.json", "k0.png", "k0_seg.dcm"):
        (tmp_path / "out" / name).write_text("mine")
    assert folder.write(job, KneeBundleError("no knee", job.file)).error == "no knee"
    assert "is not of kneebundle" in str(folder.write(job, FakePipeline().predict_one(read(job))).error)
    assert {p.read_text() for p in (tmp_path / "out").glob("k0*")} == {"mine"}


def read(job: Any) -> Any:
    return PredictionFiles(("json",)).read(job.request, job.file)


def test_a_refusal_keeps_an_earlier_result_of_the_same_image(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    summary = run(requests, tmp_path / "out", formats=("json", "csv", "png", "sr"))
    assert summary.errors[0][1].startswith("without sr: ")
    assert rows(tmp_path / "out/images.csv")[0]["status"] == "done"
    requests[0].path.rename(tmp_path / "away.png")  # the share is not there
    summary = run(requests, tmp_path / "out", overwrite=True)
    assert "there is no such file" in summary.errors[0][1] and summary.errors[0][1].endswith("is kept")
    after = contents(tmp_path / "out")
    tables = {"errors.csv", "images.csv"}  # the refusal stands there
    assert {n: c for n, c in after.items() if n not in tables} == {n: c for n, c in before.items() if n not in tables}
    assert rows(tmp_path / "out/images.csv")[0]["status"] == "kept"


def test_a_refusal_of_other_content_takes_the_earlier_result_away(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    write_picture(requests[0].path, 5)
    summary = run(requests, tmp_path / "out")
    assert not summary.errors[0][1].endswith("is kept")
    assert {path.name for path in (tmp_path / "out").glob("k0*")} == set()
    assert len(rows(tmp_path / "out/landmarks.csv")) == 16


def test_a_folder_is_of_one_command(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    with hold_folder(tmp_path / "out"):
        mark_folder(tmp_path / "out", "register")
    with pytest.raises(KneeBundleError, match="what kneebundle register wrote, and kneebundle predict needs one"):
        run(requests, tmp_path / "out")


def test_a_table_that_somebody_changed_is_kept(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    table = tmp_path / "out/landmarks.csv"
    mine = table.read_text() + "my,own,row\n"
    table.write_text(mine)
    summary = run(requests, tmp_path / "out")
    assert summary.notes == ("landmarks.csv was changed since it was written; it is kept as landmarks.changed.csv",)
    assert (tmp_path / "out/landmarks.changed.csv").read_text() == mine
    assert len(rows(table)) == 16


BROKEN = [
    '{"schema": "kneebundle/landmarks/1", "image": {}, "knees": []}',
    '{"schema": "kneebundle/landmarks/1", "image": null, "knees": []}',
    '{"schema": "kneebundle/landmarks/1", "image": {"path": "x"}, "knees": null}',
    '{"schema": "kneebundle/landmarks/1", "image": {"path": "x"}, "knees": "text"}',
    '{"schema": "kneebundle/landmarks/1", "image": {"path": "x"}, "knees": [{}]}',
    '{"schema": "kneebundle/landmarks/1", "image": {"path": 5}, "planning": {}}',
    '{"schema": "kneebundle/landmarks/1", "image": {"path": "a\\u0000b"}, "knees": []}',
    "[" * 100_000,
    "null",
    "",
    '{"a": NaN}',
]


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("fresh", [True, False])
def test_a_foreign_or_damaged_record_stops_nothing(tmp_path: Path, text: str, fresh: bool) -> None:
    requests = requests_of(tmp_path / "in", [100])
    (tmp_path / "out").mkdir()
    if not fresh:
        run(requests, tmp_path / "out")
    (tmp_path / "out/stray.json").write_text(text)
    assert run(requests, tmp_path / "out").errors == ()
    assert (tmp_path / "out/stray.json").read_text() == text
    assert len(rows(tmp_path / "out/landmarks.csv")) == 16


@pytest.mark.parametrize("text", BROKEN)
def test_a_record_that_was_damaged_is_made_again(tmp_path: Path, text: str) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out/k0.json").write_text(text)
    assert run(requests, tmp_path / "out").done == 1
    assert contents(tmp_path / "out") == before


def test_a_copy_of_a_record_doubles_nothing_and_is_said(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    shutil.copy(tmp_path / "out/k0.json", tmp_path / "out/copy.json")
    assert run(requests, tmp_path / "out").notes == ("left alone, not of a run into this folder: copy.json",)
    assert len(rows(tmp_path / "out/landmarks.csv")) == 16


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "kneebundle/result/1", "files": 3}', "[" * 100_000])
def test_a_damaged_entry_costs_one_result(tmp_path: Path, text: str) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out/.kneebundle/results/k0.json").write_text(text)
    (tmp_path / "out/.kneebundle/tables.json").write_text(text)
    for name in ("landmarks.csv", "measurements.csv", "images.csv", "errors.csv"):
        (tmp_path / "out" / name).unlink()
    assert run(requests, tmp_path / "out").skipped == 1
    assert contents(tmp_path / "out") == before


def test_an_entry_cannot_name_files_outside_the_folder(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    run(requests, tmp_path / "out")
    (tmp_path / "precious.txt").write_text("mine")
    entry = tmp_path / "out/.kneebundle/results/k0.json"
    content = json.loads(entry.read_text())
    content["files"] |= {"../precious.txt": None, str(tmp_path / "precious.txt"): None}
    entry.write_text(json.dumps(content))
    write_picture(requests[0].path, 5)
    run(requests, tmp_path / "out")
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_folder_of_an_older_version_is_taken_over(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "out")
    before = contents(tmp_path / "out")
    shutil.rmtree(tmp_path / "out/.kneebundle")  # older versions kept no entries
    (tmp_path / "out/images.csv").unlink()
    summary = run(requests[:1], tmp_path / "out")
    assert summary.again == {"of another version": 1}
    assert len(rows(tmp_path / "out/landmarks.csv")) == 32, "the other result stays"
    run(requests, tmp_path / "out")
    assert contents(tmp_path / "out") == before


# --- one run a folder


def test_a_second_run_waits_or_fails(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    said: list[str] = []
    with hold_folder(tmp_path / "out"):
        with pytest.raises(
            KneeBundleError, match=r"another run is at work in this folder \(.* on .*, process \d+, since"
        ):
            run(requests, tmp_path / "out", when_busy="fail")
        waiting = threading.Thread(target=lambda: said.append(str(run(requests, tmp_path / "out").done)))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and said == []
    waiting.join(20)
    assert said == ["1"]


def test_runs_at_once_over_images_of_one_name_lose_none(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / f"{name}/knee.png", 100 + 20 * i) for i, name in enumerate("abcd")]
    threads = [
        threading.Thread(target=run, args=([ImageRequest(path, spacing_mm=0.5)], tmp_path / "out")) for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted({row["path"] for row in rows(tmp_path / "out/landmarks.csv")}) == sorted(map(str, paths))


def test_a_call_that_fails_leaves_no_folder_behind(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/k0.json").write_text("mine")
    with pytest.raises(KneeBundleError):
        run(requests, tmp_path / "out")
    assert not (tmp_path / "out/.kneebundle").exists()
    assert read_mark(tmp_path / "out") is None


# --- no room, no folder, a run that is stopped


def test_a_full_disk_ends_the_run_in_one_line_and_what_is_done_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = requests_of(tmp_path / "in", [100, 120, 140])
    write = PredictionFiles.write

    def full(self: PredictionFiles, result: Any, source: Path, *rest: Any) -> None:
        if source.name == "k1.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, result, source, *rest)

    monkeypatch.setattr(PredictionFiles, "write", full)
    with pytest.raises(KneeBundleError, match=r"cannot write into the output folder \(No space left") as raised:
        run(requests, tmp_path / "out", batch_size=1, workers=1)
    assert "\n" not in str(raised.value)
    assert (tmp_path / "out/k0.json").exists() and not (tmp_path / "out/k1.json").exists()
    monkeypatch.undo()
    summary = run(requests, tmp_path / "out")
    assert summary.skipped >= 1 and summary.errors == ()


@pytest.mark.parametrize("way", ["removed", "moved", "replaced", "forgotten"])
def test_a_folder_that_vanishes_ends_the_run(tmp_path: Path, way: str) -> None:
    """A new one under its name would say that all is done, without what was done before."""
    requests = requests_of(tmp_path / "in", [100, 120, 140])
    out = tmp_path / "out"

    class Vanishing(FakePipeline):
        def predict_batch(self, radiographs: Any) -> Any:
            if len(self.batches) == 1:
                while not (out / "k0.json").exists() or any((out / ".kneebundle/staging").iterdir()):
                    time.sleep(0.01)
                if way == "forgotten":
                    shutil.rmtree(out / ".kneebundle")
                else:
                    out.rename(tmp_path / "moved") if way == "moved" else shutil.rmtree(out)
                if way == "replaced":
                    out.write_text("another thing")
            return super().predict_batch(radiographs)

    with pytest.raises(KneeBundleError, match="the output folder was removed, moved or unmounted") as raised:
        run(requests, out, Vanishing(), batch_size=1, workers=1)
    assert raised.value.path == str(out)
    assert out.exists() == (way in ("replaced", "forgotten")), "nothing is made anew"
    out.unlink() if way == "replaced" else shutil.rmtree(out, ignore_errors=True)
    assert run(requests, out).done == 3


def test_a_run_that_fails_as_a_whole_leaves_nothing_in_a_new_folder(tmp_path: Path) -> None:
    requests = requests_of(tmp_path / "in", [100, 120])

    def fail() -> Any:
        raise KneeBundleError("there is no CUDA device")

    def start() -> None:
        predict_images(requests, tmp_path / "a/out", fail)

    with pytest.raises(KneeBundleError, match="no CUDA"):
        start()
    assert not (tmp_path / "a").exists()
    run(requests[:1], tmp_path / "a/out")
    with pytest.raises(KneeBundleError, match="no CUDA"):
        start()
    assert len(rows(tmp_path / "a/out/images.csv")) == 1, "what is done stays"


def test_a_file_that_cannot_be_written_is_an_error_of_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied", "a.dcm")

    monkeypatch.setattr(PredictionFiles, "write", fail)
    summary = run(requests_of(tmp_path / "in", [100]), tmp_path / "out")
    assert summary.errors[0][1] == "a.dcm: Permission denied; check that the file can be read"


def test_a_table_that_cannot_be_written_is_one_line_and_errors_csv_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out/landmarks.csv"))

    monkeypatch.setattr("kneebundle.batch.image_files.write_landmarks", fail)
    with pytest.raises(KneeBundleError, match=r"cannot write landmarks.csv into the output folder \(Permission denied"):
        run(requests_of(tmp_path / "in", [100, 5]), tmp_path / "out")
    assert len(rows(tmp_path / "out/errors.csv")) == 1
    assert (tmp_path / "out/k0.json").exists()


@pytest.mark.parametrize("moment", ["entry", "move", "record", "done"])
def test_killed_between_any_two_steps_the_next_run_makes_it_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What SIGKILL leaves: nothing that comes after the step happens, no cleaning up either."""
    requests = requests_of(tmp_path / "in", [100, 120])
    run(requests, tmp_path / "whole")
    run(requests[:1], tmp_path / "out")
    write_picture(requests[0].path, 120)
    steps = {"entry": 1, "move": 1, "record": 2, "done": 2}[moment]
    count = 0

    class Killed(BaseException):
        pass

    target, name = (output_folder.Entries, "write") if moment in ("entry", "done") else (Path, "replace")
    original = getattr(target, name)

    def step(self: Any, *arguments: Any) -> Any:
        nonlocal count
        if target is Path and "staging" not in str(self):
            return original(self, *arguments)
        count += 1
        if count >= steps:
            raise Killed
        return original(self, *arguments)

    monkeypatch.setattr(target, name, step)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(OutputFolder, "write_tables", lambda *_: None)
    with pytest.raises(Killed):
        run(requests, tmp_path / "out", batch_size=1, workers=1)
    monkeypatch.undo()
    run(requests, tmp_path / "whole")
    assert run(requests, tmp_path / "out").errors == ()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# --- the same bytes, however it is run


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (5, 3)])
def test_the_bytes_do_not_depend_on_workers_batches_or_steps(tmp_path: Path, workers: int, batch_size: int) -> None:
    requests = requests_of(tmp_path / "in", [100, 40, 200, 5, 60, 255, 80])
    run(requests, tmp_path / "once")
    options: dict[str, Any] = {"workers": workers, "batch_size": batch_size}
    run(requests[::-1], tmp_path / "other", **options)
    run(requests[:3], tmp_path / "steps", **options)
    run(requests, tmp_path / "other", **options)
    run(requests, tmp_path / "steps", **options)
    assert contents(tmp_path / "other") == contents(tmp_path / "once")
    assert contents(tmp_path / "steps") == contents(tmp_path / "once")


# --- names


def test_names_that_are_no_utf8_work_and_can_be_found_again(tmp_path: Path) -> None:
    image = Path(os.fsdecode(os.fsencode(tmp_path) + b"/in/knee_M\xfcller.png"))
    write_picture(tmp_path / "in/good.png", 100)
    shutil.copy(tmp_path / "in/good.png", image)
    (tmp_path / os.fsdecode(b"in/bad\xfc.png")).write_bytes(b"x")
    requests = find_requests([tmp_path / "in"], tmp_path / "out", spacing_mm=0.5)
    summary = run(requests, tmp_path / "out")
    assert (summary.done, len(summary.errors)) == (2, 1)
    shown = str(tmp_path / "in/knee_M\\xfcller.png")
    assert shown in {row["path"] for row in rows(tmp_path / "out/landmarks.csv")}
    assert "bad\\xfc.png" in rows(tmp_path / "out/errors.csv")[0]["path"]
    assert json.loads((tmp_path / "out/knee_M_ller.json").read_text())["image"]["path"] == shown
    table = tmp_path / "m.csv"
    table.write_text(f"path,spacing_mm\n{shown},0.5\n")
    assert run(read_manifest(table, tmp_path / "out"), tmp_path / "out").skipped == 0  # the spacing is of a manifest
    assert run(requests, tmp_path / "out").done == 1


def test_a_name_that_is_too_long_for_a_file_is_cut(tmp_path: Path) -> None:
    deep = tmp_path / "in" / ("a" * 200) / ("b" * 200)
    paths = [write_picture(deep / "k.png", 100), write_picture(tmp_path / "in/c/k.png", 120)]
    assert run([ImageRequest(path, spacing_mm=0.5) for path in paths], tmp_path / "out").errors == ()
    names = sorted(path.name for path in (tmp_path / "out").glob("*.json"))
    assert names[1] == "c_k.json" and names[0].startswith("aaa") and len(names[0]) < 200


def test_a_film_without_a_knee_is_listed(tmp_path: Path) -> None:
    run(requests_of(tmp_path / "in", [20, 100, 5]), tmp_path / "out")
    listed = rows(tmp_path / "out/images.csv")
    assert [(row["status"], row["knees"], row["flags"]) for row in listed] == [
        ("done", "1", "low_confidence"),
        ("done", "1", ""),
        ("refused", "0", ""),
    ]
    assert listed[2]["reason"].startswith("no knee was found")
    assert {row["flags"] for row in rows(tmp_path / "out/landmarks.csv")} == {"low_confidence", ""}
