"""Registration of many crops: the files, errors, resuming, and the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.batch.engine import RunOptions
from kneebundle.batch.manifest import find_requests
from kneebundle.batch.run import register_images
from kneebundle.cli.entry import _run
from kneebundle.radiograph import Radiograph
from kneebundle.registration.model import RegistrationModel
from kneebundle.registration.result import RegistrationResult
from tests.registration.crops import picture, register_by_theta


class FakeRegistration:
    """Registers everything but what is darker than 50 on average."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RegistrationResult]:
        self.seen += [Path(r.path).name for r in radiographs]
        return [register_by_theta(r, registered=bool(r.pixels.mean() > 50)) for r in radiographs]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(pixels)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "in/a.png", picture())
    write(tmp_path / "in/dark.png", picture() / 10)
    (tmp_path / "in/b.dcm").write_bytes(b"nothing")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_each_image_gets_its_files_and_a_bad_one_a_line(folder: Path) -> None:
    model = FakeRegistration()
    requests = find_requests([folder / "in"], folder / "out")
    summary = register_images(requests, folder / "out", lambda: model)
    assert (summary.done, summary.flagged, summary.skipped) == (2, 1, 0)
    assert [Path(path).name for path, _ in summary.errors] == ["b.dcm"]
    document = json.loads((folder / "out/a.json").read_text())
    assert document["schema"] == "kneebundle/registration/1" and document["registered"] is True
    assert document["image"]["path"] == str(folder / "in/a.png")
    assert set(document) >= {"theta", "matrix", "energy", "agreement", "seconds"}
    with Image.open(folder / "out/a.png") as crop:
        assert crop.size == (48, 48)
    pictures = {"a.png", "a_before_after.png", "dark.png", "dark_before_after.png"}
    assert names(folder / "out") == {"a.json", "dark.json", "errors.csv", *pictures}
    assert "b.dcm" in (folder / "out/errors.csv").read_text()


def test_run_again_does_nothing_twice_and_makes_good_what_is_missing(folder: Path) -> None:
    model = FakeRegistration()
    requests = find_requests([folder / "in"], folder / "out")
    register_images(requests, folder / "out", lambda: model)
    assert register_images(requests, folder / "out", lambda: model).skipped == 2
    assert model.seen == ["a.png", "dark.png"]
    (folder / "out/dark_before_after.png").unlink()
    assert register_images(requests, folder / "out", lambda: model).skipped == 1
    assert model.seen[2:] == ["dark.png"] and (folder / "out/dark_before_after.png").is_file()
    register_images(requests, folder / "out", lambda: model, RunOptions(overwrite=True))
    assert len(model.seen) == 5


def test_what_is_an_error_now_leaves_nothing_of_an_earlier_result(folder: Path) -> None:
    requests = find_requests([folder / "in"], folder / "out")
    register_images(requests, folder / "out", FakeRegistration)
    (folder / "in/a.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    register_images(requests, folder / "out", FakeRegistration, RunOptions(overwrite=True))
    assert names(folder / "out") == {"dark.json", "dark.png", "dark_before_after.png", "errors.csv"}


def test_the_command_says_what_it_did(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RegistrationModel, "from_bundles", lambda *_: FakeRegistration())
    assert _run(["register", str(folder / "in"), "-o", str(folder / "out")]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 registered, 1 not registered, 0 done before, 1 refused")
    assert "b.dcm" in said.err
    assert _run(["register", str(folder / "in"), "-o", str(folder / "out"), "--loss", "ncc"]) == 2
    assert "--reference" in capsys.readouterr().err
    assert _run(["register", str(folder / "none"), "-o", str(folder / "out")]) == 2
