"""The public crops put together with KNEEL's annotations: points worked out by hand, and the real table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.crops import prepare_crops
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table

TIBIA = "63,278,116,268,166,255,208,224,233,233,255,216,286,258,337,264,390,261"
FEMUR = "65,238,122,245,171,230,214,211,266,237,324,260,391,250"


def write_crop(path: Path, grey: int = 100, size: int = 224) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size), grey, dtype=np.uint8)).save(path)
    return path


def write_tables(folder: Path, names: list[str]) -> tuple[Path, Path]:
    fits, annotations = folder / "fits.csv", folder / "annotations.csv"
    write_table(fits, ["image", "px_per_mm", "x4_px", "y4_px", "inverted"], [[n, 2.0, 110.5, 120.25, 0] for n in names])
    columns = ["subject_id", "side", "kl", "tibia", "femur", "bbox", "center"]
    rows = [[n[:-5], n[-5], 3, TIBIA, FEMUR, "0,0,466,466", "233,233"] for n in names]
    write_table(annotations, columns, rows)
    return fits, annotations


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as stream:
        return {row["image"]: row for row in csv.DictReader(stream)}


def test_points_of_a_right_and_of_a_left_knee(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["7R.png", "8L.png"])
    write_crop(tmp_path / "in/train/3/7R.png")
    write_crop(tmp_path / "in/val/3/8L.png")
    assert prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits) == []
    table = rows(tmp_path / "out/landmarks.csv")
    right, left = table["7R.png"], table["8L.png"]
    assert (right["subject_id"], right["side"], right["kl"], right["spacing_mm"]) == ("7", "R", "3", "0.50000")
    assert (float(right["x4"]), float(right["y4"])) == (110.5, 120.25)
    # landmark 0 lies (63 - 233, 278 - 233) annotation pixels of 0.3 mm from landmark 4; 2 px a mm
    assert (float(right["x0"]), float(right["y0"])) == pytest.approx((110.5 - 170 * 0.6, 120.25 + 45 * 0.6))
    assert (float(left["x0"]), float(left["y0"])) == pytest.approx((110.5 + 170 * 0.6, 120.25 + 45 * 0.6))
    assert (tmp_path / "out/images/7R.png").read_bytes() == (tmp_path / "in/train/3/7R.png").read_bytes()


def test_the_other_crops_of_the_archive_are_not_mistaken(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["7R.png"])
    wanted = write_crop(tmp_path / "in/kneeKL224/test/3/7R.png", 100)
    write_crop(tmp_path / "in/kneeKL224/auto_test/3/7R.png", 50)
    write_crop(tmp_path / "in/kneeKL299/test/3/7R.png", 100, size=299)
    assert prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits) == []
    assert (tmp_path / "out/images/7R.png").read_bytes() == wanted.read_bytes()


def test_missing_crops_are_listed(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["1R.png", "2R.png", "3R.png", "4R.png"])
    write_crop(tmp_path / "in/1R.png")
    write_crop(tmp_path / "in/2R.png", size=300)
    write_crop(tmp_path / "in/a/3R.png", 1)
    write_crop(tmp_path / "in/b/3R.png", 2)
    errors = dict(prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits))
    assert list(rows(tmp_path / "out/landmarks.csv")) == ["1R.png"]
    assert "has another size" in errors["2R.png"]
    assert "2 different pictures" in errors["3R.png"]
    assert "was not found" in errors["4R.png"]
    assert (tmp_path / "out/errors.csv").read_text().count("\n") == 4


def test_a_data_set_of_others_is_left_alone(tmp_path: Path) -> None:
    write_crop(tmp_path / "crops" / "9000099R.png")
    fits, annotations = write_tables(tmp_path, ["9000099R.png"])
    prepare_crops(tmp_path / "crops", annotations, tmp_path / "out", fits)
    prepare_crops(tmp_path / "crops", annotations, tmp_path / "out", fits)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "landmarks.csv").write_text("mine")
    with pytest.raises(KneeBundleError, match="a data set in this folder already"):
        prepare_crops(tmp_path / "crops", annotations, tmp_path / "other", fits)
    assert [(p.name, p.read_text()) for p in (tmp_path / "other").glob("[!.]*")] == [("landmarks.csv", "mine")]


def test_a_folder_without_any_crop_is_an_error(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["1R.png"])
    (tmp_path / "in").mkdir()
    with pytest.raises(KneeBundleError, match=r"none of the 1 crops \(such as 1R.png\)"):
        prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits)
    with pytest.raises(KneeBundleError, match="no such folder"):
        prepare_crops(tmp_path / "nowhere", annotations, tmp_path / "out", fits)


def test_an_annotation_with_too_few_numbers_is_an_error(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["1R.png"])
    annotations.write_text(annotations.read_text().replace(TIBIA, "1,2,3"))
    write_crop(tmp_path / "in/1R.png")
    with pytest.raises(KneeBundleError, match="line 2: tibia is '1,2,3'; 18 numbers"):
        prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits)


def test_the_real_data_set_has_the_experts_shapes_at_corrected_scales(tmp_path: Path, shared_data: Path) -> None:
    """Against the labels as they were first found: the same but for scale and shift of each knee."""
    images = shared_data / "oai_knees" / "images"
    assert prepare_crops(images, shared_data / "kneel_oai_annotations.csv", tmp_path) == []
    made, first = rows(tmp_path / "landmarks.csv"), rows(shared_data / "oai_knees" / "landmarks.csv")
    assert list(made) == list(first) and len(first) == 500
    growths = []
    for name, row in made.items():
        new, old = (np.array([[float(r[f"{a}{i}"]) for a in "xy"] for i in range(16)]) for r in (row, first[name]))
        growth = np.linalg.norm(new - new.mean(0)) / np.linalg.norm(old - old.mean(0))
        assert np.abs(new - new.mean(0) - growth * (old - old.mean(0))).max() <= 0.03, name
        assert float(first[name]["spacing_mm"]) / float(row["spacing_mm"]) == pytest.approx(growth, rel=1e-3)
        assert np.linalg.norm(new.mean(0) - old.mean(0)) * float(row["spacing_mm"]) < 6.0, name
        assert all(row[c] == first[name][c] for c in ("subject_id", "side", "kl", "inverted"))
        growths.append(growth)
    assert np.median(growths) == pytest.approx(1.028, abs=1e-3)
    assert len(list((tmp_path / "images").glob("*.png"))) == 500


def test_a_crop_without_an_annotation_and_one_that_is_no_picture_are_listed(tmp_path: Path) -> None:
    fits, annotations = write_tables(tmp_path, ["1R.png", "2R.png", "3R.png"])
    annotations.write_text("".join(line for line in annotations.open() if not line.startswith("2,")))
    write_crop(tmp_path / "in/1R.png")
    write_crop(tmp_path / "in/2R.png")
    (tmp_path / "in/3R.png").write_text("no picture")
    errors = dict(prepare_crops(tmp_path / "in", annotations, tmp_path / "out", fits))
    assert list(rows(tmp_path / "out/landmarks.csv")) == ["1R.png"]
    assert "no row for subject 2, side R; use KNEEL's whole file" in errors["2R.png"]
    assert "3R.png has another size" in errors["3R.png"]
