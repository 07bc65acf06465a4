"""Records of knees: tables, folds, images for inference."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.knees import LoadKneed, image_records, read_knees, read_landmark_table
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_PA
from kneebundle.phantoms.pa import PhantomKnees, Surroundd, synthesize_knees
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.roi import crop_roi

COLUMNS = ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", *(f"{a}{i}" for i in range(16) for a in "xy")]


def row(number: int, **changes: Any) -> dict[str, Any]:
    points = {f"{a}{i}": 20 + 3 * i + (a == "y") for i in range(16) for a in "xy"}
    known = {"image": f"{number}.png", "subject_id": number // 2, "side": "RL"[number % 2], "kl": number % 5}
    return {**known, "spacing_mm": 0.5, "inverted": 0, **points, **changes}


def write(folder: Path, rows: list[dict[str, Any]], columns: list[str] = COLUMNS) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for r in rows:
        pixels = np.random.default_rng(1).integers(0, 255, (100, 120)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / r["image"])
    with (folder / "landmarks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_folds_keep_subjects_apart_and_cover_everything(tmp_path: Path) -> None:
    data = write(tmp_path, [row(i) for i in range(40)])
    held_out = []
    for fold in range(5):
        train, validation = (read_knees(data, s, fold) for s in ("training", "validation"))
        assert {r["subject_id"] for r in train}.isdisjoint(r["subject_id"] for r in validation)
        assert len(train) + len(validation) == 40
        held_out += [r["image"] for r in validation]
    assert len(set(held_out)) == 40


def test_fold_minus_1_trains_on_every_knee_and_validates_on_every_fifth(tmp_path: Path) -> None:
    data = write(tmp_path, [row(i) for i in range(12)])
    train, validation = (read_knees(data, split, fold=-1) for split in ("training", "validation"))
    assert [Path(r["image"]).stem for r in train] == [str(i) for i in range(12)]
    assert [Path(r["image"]).stem for r in validation] == ["0", "5", "10"]


def test_a_drawn_knee_is_loaded_as_it_was_drawn() -> None:
    knees = PhantomKnees(4, seed=2, size_mm=90, spacing_mm=0.6)
    radiograph, landmarks, kl = knees[3]
    loaded = LoadKneed()({"drawn": knees, "index": 3})
    np.testing.assert_array_equal(loaded["image"][0], radiograph.pixels)
    np.testing.assert_allclose(loaded["landmarks"], landmarks.points * 0.6)
    np.testing.assert_allclose(loaded["center_mm"], landmarks.points[KNEE_PA.center] * 0.6)
    assert (loaded["side"], loaded["kl"], loaded["path"]) == ("L", kl, "phantom-3")
    assert loaded["image_spacing_mm"] == (0.6, 0.6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x3": "nan"}, "line 3: x3"),
        ({"y15": "left"}, "line 3: y15"),
        ({"spacing_mm": -1}, "line 3: spacing_mm"),
        ({"side": "M"}, "line 3: side"),
    ],
)
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path, [row(0), row(1, **change)])
    with pytest.raises(KneeBundleError, match=message):
        read_landmark_table(tmp_path / "landmarks.csv")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"landmarks\.csv"):
        read_knees(tmp_path, "training")
    write(tmp_path, [row(i) for i in range(10)], [c for c in COLUMNS if c != "y7"])
    with pytest.raises(KneeBundleError, match="y7"):
        read_knees(tmp_path, "training")
    write(tmp_path, [row(i) for i in range(10)])
    (tmp_path / "images" / "3.png").unlink()
    with pytest.raises(KneeBundleError, match=r"3\.png"):
        read_knees(tmp_path, "training", fold=-1)
    with pytest.raises(KneeBundleError, match="fold 7"):
        read_knees(tmp_path, "training", fold=7)


def test_a_table_of_more_landmarks_is_another_bundles(tmp_path: Path) -> None:
    write(tmp_path, [row(0, x16=1, y16=1)], [*COLUMNS, "x16", "y16"])
    with pytest.raises(KneeBundleError, match="more than 16 landmarks"):
        read_landmark_table(tmp_path / "landmarks.csv")


def test_points_come_in_mm_and_inverted_images_are_turned_round(tmp_path: Path) -> None:
    data = write(tmp_path, [row(i, inverted=i) for i in range(2)])
    plain, inverted = (LoadKneed()(record) for record in read_knees(data, "training", fold=-1, folds=2))
    np.testing.assert_allclose(plain["landmarks"][2], [13.0, 13.5])
    np.testing.assert_array_equal(inverted["image"], -plain["image"])


def test_images_for_inference_take_side_and_spacing_from_a_table(tmp_path: Path) -> None:
    write(tmp_path, [row(i) for i in range(2)])
    (tmp_path / "images" / "broken.png").write_bytes(b"no")
    records = image_records(str(tmp_path), output_dir=str(tmp_path / "out"))
    assert [(Path(r["image"]).name, r["side"], r["spacing_mm"]) for r in records] == [
        ("0.png", "R", 0.5),
        ("1.png", "L", 0.5),
    ]
    assert "broken.png" in (tmp_path / "out" / "errors.csv").read_text()
    loaded = LoadKneed(centered=False)(records[1])
    assert loaded["image_spacing_mm"] == (0.5, 0.5)
    assert "center_mm" not in loaded and "landmarks" not in loaded


@pytest.mark.parametrize("side", ["R", "L"])
def test_surroundings_lie_on_the_grid_of_the_region(tmp_path: Path, side: str) -> None:
    """Inside the crop the continued leg shows what the region shows."""
    synthesize_knees(tmp_path, count=2, seed=3, size_mm=100.0, spacing_mm=0.5)
    record = next(r for r in read_knees(tmp_path, "training", fold=-1, folds=2) if r["side"] == side)
    data = Surroundd(size_mm=140.0, spacing_mm=0.5)(LoadKneed()(record))
    region = crop_roi(data["image"], data["center_mm"], 140.0, 0.5)
    assert data["surroundings"].shape == region.shape
    assert bool(np.isfinite(data["surroundings"].numpy()).all())
    points = world_to_normalized(data["landmarks"], region).numpy() * region.shape[-1] - 0.5
    around = np.zeros(region.shape[1:], bool)
    x, y = points.mean(0).round().astype(int)
    around[y - 50 : y + 50, x - 50 : x + 50] = True
    inside = around & np.isfinite(region.numpy()[0])
    correlation = np.corrcoef(region.numpy()[0][inside], data["surroundings"].numpy()[0][inside])[0, 1]
    assert correlation > 0.95
    again = Surroundd(size_mm=140.0, spacing_mm=0.5)(LoadKneed()(record))
    np.testing.assert_array_equal(again["surroundings"], data["surroundings"])


def test_an_image_as_wide_as_the_region_gets_no_surroundings() -> None:
    data = Surroundd(size_mm=100.0)(LoadKneed()({"drawn": PhantomKnees(1), "index": 0}))
    assert "surroundings" not in data


def test_a_table_without_a_row_is_an_error(tmp_path: Path) -> None:
    columns = ",".join(f"{axis}{i}" for i in range(16) for axis in "xy")
    (tmp_path / "landmarks.csv").write_text(f"image,side,spacing_mm,{columns}\n")
    with pytest.raises(KneeBundleError, match="the table has no rows; a row a knee is needed"):
        read_landmark_table(tmp_path / "landmarks.csv")
