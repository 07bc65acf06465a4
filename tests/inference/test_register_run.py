"""Registration to files: the JSON, the frame of the matrix, refusals, going on, and the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kneebundle import cli
from kneebundle.errors import KneeBundleError
from kneebundle.inference.manifest import find_requests
from kneebundle.inference.register_run import register_images
from kneebundle.inference.registration_model import RegistrationModel, read_crop
from kneebundle.inference.registration_result import RegistrationResult, film_frame, registration_result
from kneebundle.networks.similarity import similarity_matrix
from kneebundle.radiograph import Radiograph
from kneebundle.reports.registration_report import registration_document
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.similarity import SquareImaged
from kneebundle.turn import Turn

THETA = [0.8, 0.1, -0.2, 0.05]


def found(registered: bool = True) -> dict[str, torch.Tensor]:
    return {
        "theta": torch.tensor(THETA),
        "energy": torch.tensor(-1.5),
        "agreement": torch.full((9,), 0.5),
        "registered": torch.tensor(registered),
        "seconds": torch.tensor(0.1),
    }


def picture(rows: int = 60, columns: int = 60) -> np.ndarray:
    return np.add.outer(np.arange(rows) * 2.0, np.arange(columns)).astype(np.float32)


def answer(radiograph: Radiograph, side: str = "R", registered: bool = True) -> RegistrationResult:
    film = radiograph.to_metatensor()
    data: dict = {"image": film, "side": side}
    for step in (SquareImaged("image", 48), MirrorLeftd("image")):
        data = step(data)
    image = torch.nan_to_num(data["image"]) / 200
    return registration_result(image, film_frame(film, radiograph), side, radiograph.path, found(registered))


class FakeRegistrar:
    """Registers everything but what is darker than 50 on average."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def register_batch(self, radiographs: Sequence[Radiograph]) -> list[RegistrationResult]:
        self.seen += [Path(r.path).name for r in radiographs]
        return [answer(r, registered=bool(r.pixels.mean() > 50)) for r in radiographs]


def test_the_matrix_of_a_square_film_is_that_of_theta() -> None:
    result = answer(Radiograph(picture(), (0.5, 0.5)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64))
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(result.theta, THETA, atol=1e-6)


def test_a_film_that_is_no_square_gets_the_matrix_to_its_own_frame() -> None:
    result = answer(Radiograph(picture(30, 60), (0.5, 0.5)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64)) * torch.tensor([[1.0], [2.0]])
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)


def test_a_film_that_was_turned_for_display_gets_the_matrix_to_the_stored_image() -> None:
    result = answer(Radiograph(picture(), (0.5, 0.5), turn=Turn(transpose=True)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64)).flip(0)
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)


def test_a_mirrored_left_knee_gets_the_mirrored_answer() -> None:
    right = Radiograph(picture(), (0.5, 0.5))
    left = replace(right, pixels=right.pixels[:, ::-1])
    first, second = answer(right, "R"), answer(left, "L")
    np.testing.assert_allclose(second.theta, np.array(THETA) * [1, -1, 1, -1], atol=1e-6)
    mirror = np.array([[1, -1, -1], [-1, 1, 1]])
    np.testing.assert_allclose(second.matrix, first.matrix * mirror, atol=1e-6)
    torch.testing.assert_close(second.after.as_tensor(), first.after.as_tensor().flip(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(second.before.as_tensor(), first.before.as_tensor().flip(-1), atol=1e-4, rtol=0)


def test_what_is_not_registered_passes_unchanged() -> None:
    result = answer(Radiograph(picture(), (0.5, 0.5)), "L", registered=False)
    document = registration_document(result)
    assert document["registered"] is False and document["energy"] == -1.5
    assert document["theta"] == [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(document["matrix"], [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    torch.testing.assert_close(result.after.as_tensor(), result.before.as_tensor(), atol=1e-5, rtol=0)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(pixels)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "in/a.png", picture())
    write(tmp_path / "in/dark.png", picture() / 10)
    (tmp_path / "in/b.dcm").write_bytes(b"nothing")
    return tmp_path


def test_each_image_gets_its_files_and_a_bad_one_a_line(folder: Path) -> None:
    registrar = FakeRegistrar()
    requests = find_requests([folder / "in"], folder / "out")
    summary = register_images(requests, folder / "out", lambda: registrar)
    assert (summary.registered, summary.unregistered, summary.skipped) == (1, 1, 0)
    assert [Path(path).name for path, _ in summary.refused] == ["b.dcm"]
    document = json.loads((folder / "out/a.json").read_text())
    assert document["schema"] == "kneebundle/registration/1" and document["registered"] is True
    assert set(document) >= {"theta", "matrix", "energy", "agreement", "seconds"}
    with Image.open(folder / "out/a.png") as crop:
        assert crop.size == (48, 48)
    assert (folder / "out/a_before_after.png").is_file() and (folder / "out/dark.json").is_file()
    assert "b.dcm" in (folder / "out/errors.csv").read_text()

    again = register_images(requests, folder / "out", lambda: registrar)
    assert again.skipped == 2 and registrar.seen == ["a.png", "dark.png"]
    register_images(requests, folder / "out", lambda: registrar, overwrite=True)
    assert len(registrar.seen) == 4


def test_the_command_says_what_it_did(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_registration", lambda *_: FakeRegistrar())
    assert cli._run(["register", str(folder / "in"), "-o", str(folder / "out")]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 registered, 1 not registered, 0 done before, 1 refused")
    assert "b.dcm" in said.err
    assert cli._run(["register", str(folder / "in"), "-o", str(folder / "out"), "--loss", "ncc"]) == 2
    assert "--reference" in capsys.readouterr().err
    assert cli._run(["register", str(folder / "none"), "-o", str(folder / "out")]) == 2


def test_a_wrong_model_says_so(repository: Path, tmp_path: Path) -> None:
    root = repository / "bundles" / "knee_parts_registration"
    with pytest.raises(KneeBundleError, match="--reference"):
        RegistrationModel(root, torch.device("cpu"), "ncc")
    with pytest.raises(KneeBundleError, match=r"inference\.json"):
        RegistrationModel(tmp_path, torch.device("cpu"))
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(KneeBundleError, match="do not fit"):
        RegistrationModel(root, torch.device("cpu"), weights=tmp_path / "other.pt")


def test_a_crop_needs_no_spacing(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    assert read_crop(tmp_path / "a.png").spacing_mm == (1.0, 1.0)
