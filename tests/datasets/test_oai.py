"""A made OAI tree with DICOM films: both data sets, with points where the bright dots are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from kneebundle.datasets import oai
from kneebundle.datasets.kneel_annotations import read_annotations
from kneebundle.datasets.oai_films import SERIES
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.resample import resample_to_spacing

SPACING_MM = 0.4
ROWS, COLUMNS = 750, 900  # a film of 300 x 360 mm
MIRRORED = np.array([[40 + 25 * i, 300 + 5 * (i % 3)] for i in range(9)] + [[60 + 40 * i, 200.0] for i in range(7)])
MIRRORED[4] = [233, 233]
BOXES = {"R": np.array([80, 250, 546, 716]), "L": np.array([650, 250, 1116, 716])}
DOT = 12  # landmark where the film has a bright dot


def film_points_mm(side: str) -> np.ndarray:
    """From the borders of the film, worked out apart from the code under test."""
    points = MIRRORED if side == "R" else np.stack([466 - MIRRORED[:, 0], MIRRORED[:, 1]], axis=1)
    return (points + BOXES[side][:2] + 0.5) * 0.3


def film_pixels() -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    pixels = 400.0 + 0.2 * rows
    for side in "RL":
        x, y = film_points_mm(side)[DOT] / SPACING_MM - 0.5
        pixels += 3000 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 8.0**2))
    return pixels.round().astype(np.uint16)


def write_film(path: Path, pixels: np.ndarray) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "DX"
    dataset.PatientName = "Nobody^At All"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelSpacing = [SPACING_MM, SPACING_MM]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Subjects 1 (both knees), 2 (left), 3 (broken film), 4 (another series only) and 5 (a film that is too small)."""
    contents = [
        ["1", "0/1", SERIES],
        ["2", "0/2a", "PA Right Hand"],
        ["2", "0/2", SERIES],
        ["3", "0/3", SERIES],
        ["4", "0/4", "PA Right Hand"],
        ["5", "0/5", SERIES],
    ]
    folder = tmp_path / "oai"
    folder.mkdir()
    write_table(folder / "contents.csv", ["ParticipantID", "Folder", "SeriesDescription"], contents)
    for subject in "12":
        write_film(folder / "0" / subject / "001", film_pixels())
    (folder / "0/3").mkdir()
    (folder / "0/3/001").write_bytes(b"not a film")
    write_film(folder / "0/5/001", film_pixels()[:, :600])
    text = [",".join(f"{v:g}" for v in part.ravel()) for part in (MIRRORED[:9], MIRRORED[9:])]
    rows = [
        [subject, side, 2, *text, ",".join(map(str, BOXES[side])), f"{BOXES[side][0] + 233},{BOXES[side][1] + 233}"]
        for subject, side in ("1R", "1L", "2L", "3R", "4R", "5L")
    ]
    write_table(tmp_path / "a.csv", ["subject_id", "side", "kl", "tibia", "femur", "bbox", "center"], rows)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def brightest(path: Path) -> np.ndarray:
    """Centre of mass of the dot, x and y, in pixels."""
    pixels = np.asarray(Image.open(path)).astype(float)
    weight = np.where(pixels > 0.5 * pixels.max(), pixels - 0.5 * pixels.max(), 0)
    r, c = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    return np.array([(c * weight).sum(), (r * weight).sum()]) / weight.sum()


def test_points_lie_on_what_the_films_show(tree: Path) -> None:
    summary = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    assert (summary.done, summary.done_before) == (3, 0)
    stage2 = rows(tree / "out/stage2/landmarks.csv")
    assert [row["image"] for row in stage2] == ["1R.png", "1L.png", "2L.png"]
    for row in stage2:
        image = tree / "out/stage2/images" / row["image"]
        assert Image.open(image).size == (467, 467) or Image.open(image).size == (466, 466)
        assert (float(row["x12"]), float(row["y12"])) == pytest.approx(brightest(image), abs=0.15)
        relative = (float(row["x0"]) - float(row["x4"]), float(row["y0"]) - float(row["y4"]))
        away = MIRRORED[0] - MIRRORED[4]
        assert relative == pytest.approx((away[0] if row["side"] == "R" else -away[0], away[1]), abs=0.02)
        assert row["spacing_mm"] == "0.3" and row["kl"] == "2"


def test_halves_hold_the_tibial_centre_at_1_mm(tree: Path) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    stage1 = {row["image"]: row for row in rows(tree / "out/stage1/landmarks.csv")}
    assert list(stage1["1R.png"]) == ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", "x0", "y0"]
    for name, side, left_mm in (("1R.png", "R", 0.0), ("1L.png", "L", 180.0)):
        image = tree / "out/stage1/images" / name
        assert Image.open(image).size == (180, 300)
        expected = film_points_mm(side)[4] - [left_mm, 0] - 0.5
        assert (float(stage1[name]["x0"]), float(stage1[name]["y0"])) == pytest.approx(expected, abs=0.01)
        dot = film_points_mm(side)[DOT] - [left_mm, 0] - 0.5
        assert brightest(image) == pytest.approx(dot, abs=0.15)


def test_annotation_pixels_are_those_of_the_film_resampled_to_0_3_mm(tree: Path) -> None:
    knee = read_annotations(tree / "a.csv")["1", "L"]
    film = MetaTensor(
        torch.zeros(1, 60, 90), affine=torch.diag(torch.tensor([5.0, 4.0, 1.0, 1.0], dtype=torch.float64))
    )
    fine = resample_to_spacing(film, (0.3, 0.3))
    column_row = knee.film_points
    world = np.asarray(fine.affine)[:2, :2] @ column_row[:, ::-1].T + np.asarray(fine.affine)[:2, 3:]
    assert oai._film_points_mm(film, knee) == pytest.approx(world.T[:, ::-1])


def test_errors_are_listed_with_their_reason(tree: Path) -> None:
    summary = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    errors = {row["path"]: row["reason"] for row in rows(tree / "out/errors.csv")}
    assert list(errors) == [str(tree / "oai/0/3/001"), "4", str(tree / "oai/0/5/001")]
    assert len(summary.errors) == 3
    assert "contents.csv lists no" in errors["4"]
    assert "landmarks of knee L lie outside" in errors[str(tree / "oai/0/5/001")]


def test_a_second_run_resumes_the_first(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    before = (tree / "out/stage2/landmarks.csv").read_bytes()
    (tree / "out/records/1.json").unlink()
    read: list[Path] = []
    original = oai.read_radiograph

    def note(path: Path, **options: Any) -> Radiograph:
        read.append(path)
        return original(path, **options)

    monkeypatch.setattr(oai, "read_radiograph", note)
    summary = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    assert [path.parent.name for path in read] == ["1", "3", "5"]
    assert (summary.done, summary.done_before) == (2, 1)
    assert (tree / "out/stage2/landmarks.csv").read_bytes() == before


def test_a_tree_without_annotated_subjects_is_an_error(tree: Path) -> None:
    write_table(tree / "oai/contents.csv", ["ParticipantID", "Folder", "SeriesDescription"], [["9", "0/9", SERIES]])
    with pytest.raises(KneeBundleError, match="lists no 'Bilateral PA Fixed Flexion Knee' of the 5 annotated subjects"):
        oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")


def test_another_film_in_the_place_of_the_first_is_made_again(tree: Path) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    before = (tree / "out/stage2/images/2L.png").read_bytes()
    write_film(tree / "oai/0/2/001", 3500 - film_pixels())
    summary = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    assert (summary.done, summary.made_again, summary.done_before) == (1, 1, 2)
    assert (tree / "out/stage2/images/2L.png").read_bytes() != before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"film": 1, "stage1": [], "stage2": []}', "[" * 5000])
def test_a_damaged_record_is_made_again(tree: Path, content: str) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    table = (tree / "out/stage2/landmarks.csv").read_bytes()
    (tree / "out/records/1.json").write_text(content)
    assert oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out").done == 2
    assert (tree / "out/stage2/landmarks.csv").read_bytes() == table


def test_films_that_are_away_take_nothing_with_them(tree: Path) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    table = (tree / "out/stage2/landmarks.csv").read_bytes()
    (tree / "oai/0/1/001").unlink()
    summary = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    assert (summary.done, summary.done_before) == (0, 1)
    assert (tree / "out/stage2/landmarks.csv").read_bytes() == table


def test_other_annotations_need_another_folder(tree: Path) -> None:
    oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    (tree / "b.csv").write_text((tree / "a.csv").read_text().replace(",2,", ",3,"))
    with pytest.raises(KneeBundleError, match="of other annotations; these need another folder"):
        oai.prepare_oai(tree / "oai", tree / "b.csv", tree / "out")


def test_a_data_set_of_others_is_left_alone(tree: Path) -> None:
    (tree / "out/stage2").mkdir(parents=True)
    (tree / "out/stage2/landmarks.csv").write_text("mine")
    with pytest.raises(KneeBundleError, match="there is stage2 in this folder already"):
        oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "out")
    assert (tree / "out/stage2/landmarks.csv").read_text() == "mine"


@pytest.mark.slow
def test_workers_make_the_same(tree: Path) -> None:
    one = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "one")
    two = oai.prepare_oai(tree / "oai", tree / "a.csv", tree / "two", workers=2)
    assert one == two
    for name in ("stage1/landmarks.csv", "stage2/landmarks.csv", "stage2/images/1L.png", "errors.csv"):
        assert (tree / "one" / name).read_bytes() == (tree / "two" / name).read_bytes()
