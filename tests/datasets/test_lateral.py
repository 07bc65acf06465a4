"""Lateral data sets: three layouts that say the same, folds, drawn films, errors."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.lateral import LoadLaterald, read_lateral_films
from kneebundle.datasets.lateral_masks import fill_polygons, read_masks
from kneebundle.datasets.lateral_points import read_point_table
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import BONES, LATERAL_POINTS
from kneebundle.phantoms.lateral import LateralKnees, synthesize_lateral

ROWS, COLUMNS = 60, 44
# First row, first column, row and column after the last: femur and tibia overlap.
BOXES = {"femur": (5, 10, 35, 30), "patella": (20, 31, 32, 40), "tibia": (30, 8, 58, 26), "fibula": (33, 4, 58, 9)}
PLACES = {"p_blum": (12.0, 20.5), "p_tmc": (10.0, 18.0), "p_prox": (10.25, 6.0), "p_dist": (10.0, 15.0)}
TABLE_COLUMNS = ["image", "subject_id", "spacing_mm", "rater", *(f"{p}_{a}" for p in LATERAL_POINTS for a in "xy")]


def boxes() -> np.ndarray:
    masks = np.zeros((4, ROWS, COLUMNS), dtype=bool)
    for mask, (top, left, bottom, right) in zip(masks, BOXES.values(), strict=True):
        mask[top:bottom, left:right] = True
    return masks


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (ROWS, COLUMNS)).astype(np.uint8)).save(path)


def table(folder: Path, rows: list[dict[str, Any]]) -> None:
    usual = {f"{p}_{a}": v for p, place in PLACES.items() for a, v in zip("xy", place, strict=True)}
    with (folder / "points.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, TABLE_COLUMNS)
        writer.writeheader()
        writer.writerows(
            {"image": "a.png", "subject_id": "s", "spacing_mm": 0.5, "rater": "", **usual, **r} for r in rows
        )


def as_pictures(folder: Path, names: tuple[str, ...] = ("a",)) -> None:
    (folder / "masks").mkdir(parents=True)
    for name in names:
        picture(folder / f"images/{name}.png")
        for bone, mask in zip(BONES, boxes(), strict=True):
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"masks/{name}_{bone}.png")
    table(folder, [{"image": f"{name}.png", "subject_id": name[0]} for name in names])


def as_volumes(folder: Path) -> None:
    picture(folder / "images/a.png")
    (folder / "masks").mkdir()
    labels = boxes().astype(np.uint8).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), folder / "masks/a.nii.gz")
    table(folder, [{}])


def corners(box: tuple[int, int, int, int]) -> list[list[float]]:
    """Of a box of whole pixels, counted from the image's corner."""
    top, left, bottom, right = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def as_coco(folder: Path) -> None:
    picture(folder / "images/a.png")
    names = [*BONES, "knee", "screw"]
    parts = [
        {"image_id": 7, "category_id": i, "segmentation": [np.ravel(corners(BOXES[bone])).tolist()]}
        for i, bone in enumerate(BONES)
    ]
    triples = [[*(np.array(PLACES[point]) + 0.5).tolist(), 2] for point in LATERAL_POINTS]
    parts.append({"image_id": 7, "category_id": 4, "keypoints": np.ravel(triples).tolist()})
    parts.append({"image_id": 7, "category_id": 5, "segmentation": {"counts": "x"}})
    content = {
        "images": [{"id": 7, "file_name": "a.png", "spacing_mm": 0.5, "subject_id": "s"}],
        "categories": [
            {"id": i, "name": n, **({"keypoints": LATERAL_POINTS} if i == 4 else {})} for i, n in enumerate(names)
        ],
        "annotations": parts,
    }
    (folder / "annotations.json").write_text(json.dumps(content))


def as_labelme(folder: Path) -> None:
    picture(folder / "a.png")
    shapes: list[dict[str, Any]] = [
        {"label": bone, "shape_type": "polygon", "points": corners(box)} for bone, box in BOXES.items()
    ]
    shapes += [
        {"label": point, "shape_type": "point", "points": [[x + 0.5, y + 0.5]]} for point, (x, y) in PLACES.items()
    ]
    shapes.append({"label": "sphere", "shape_type": "circle", "points": [[1, 1], [2, 2]]})
    content = {"imagePath": "a.png", "shapes": shapes, "spacing_mm": 0.5, "subject_id": "s"}
    (folder / "a.json").write_text(json.dumps(content))


@pytest.mark.parametrize("write", [as_pictures, as_volumes, as_coco, as_labelme])
def test_every_layout_gives_the_same_arrays(write: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder)
    (record,) = read_lateral_films(folder, "training", fold=-1)
    loaded = LoadLaterald()(record)
    np.testing.assert_array_equal(loaded["masks"], boxes())
    np.testing.assert_allclose(loaded["landmarks"], [PLACES["p_blum"], PLACES["p_tmc"]])
    np.testing.assert_allclose(loaded["cortex_line"], [PLACES["p_prox"], PLACES["p_dist"]])
    assert loaded["image"].shape == (1, ROWS, COLUMNS)
    assert loaded["image_spacing_mm"] == (0.5, 0.5) and record["subject_id"][0] in "sa"
    assert float(loaded["image"].affine[0, 0]) == float(loaded["masks"].affine[1, 1]) == 0.5


def test_drawn_films_come_back_as_they_were_drawn(tmp_path: Path) -> None:
    synthesize_lateral(tmp_path, 2, seed=5, size_px=128)
    records = read_lateral_films(tmp_path, "training", fold=-1)
    for record, knee in zip(records, LateralKnees(2, 5, 128), strict=True):
        loaded = LoadLaterald()(record)
        np.testing.assert_array_equal(loaded["image"][0], knee.image)
        np.testing.assert_array_equal(loaded["masks"], knee.masks)
        np.testing.assert_allclose(loaded["landmarks"], knee.landmarks, atol=0.006)
        np.testing.assert_allclose(loaded["cortex_line"], knee.cortex_line, atol=0.006)
        assert loaded["image_spacing_mm"][0] == pytest.approx(knee.spacing_mm, abs=1e-5)


def test_folds_keep_subjects_apart(tmp_path: Path) -> None:
    names = tuple(f"{subject}{i}" for subject in "abcde" for i in range(2))
    as_pictures(tmp_path / "set", names)
    held_out: list[str] = []
    for fold in range(5):
        train, validation = (read_lateral_films(tmp_path / "set", s, fold) for s in ("training", "validation"))
        assert {r["subject_id"] for r in train}.isdisjoint(r["subject_id"] for r in validation)
        assert len(train) + len(validation) == 10
        held_out += [r["image"] for r in validation]
    assert len(set(held_out)) == 10


def test_fold_minus_1_trains_on_every_film_and_validates_on_every_fifth(tmp_path: Path) -> None:
    as_pictures(tmp_path / "set", tuple("abcdefg"))
    train, validation = (read_lateral_films(tmp_path / "set", s, fold=-1) for s in ("training", "validation"))
    assert [Path(r["image"]).stem for r in train] == list("abcdefg")
    assert [Path(r["image"]).stem for r in validation] == ["a", "f"]


def test_a_drawn_film_is_loaded_as_it_was_drawn() -> None:
    films = LateralKnees(3, 3, 128)
    loaded = LoadLaterald()({"drawn": films, "index": 2})
    knee = films[2]
    np.testing.assert_array_equal(loaded["image"][0], knee.image)
    np.testing.assert_array_equal(loaded["masks"], knee.masks)
    np.testing.assert_allclose(loaded["landmarks"], knee.landmarks, rtol=1e-6)
    np.testing.assert_allclose(loaded["cortex_line"], knee.cortex_line, rtol=1e-6)
    assert loaded["path"] == loaded["subject_id"] == "phantom-2"


def test_of_several_raters_the_first_counts_and_an_unknown_point_is_nan(tmp_path: Path) -> None:
    as_pictures(tmp_path / "set")
    table(tmp_path / "set", [{"rater": "A", "p_tmc_x": "", "p_tmc_y": ""}, {"rater": "B", "p_blum_x": 13}])
    (record,) = read_lateral_films(tmp_path / "set", "training", fold=-1)
    loaded = LoadLaterald()(record)
    np.testing.assert_allclose(loaded["landmarks"], [PLACES["p_blum"], (np.nan, np.nan)])
    assert [r["rater"] for r in read_point_table(tmp_path / "set/points.csv")] == ["A", "B"]


def test_a_polygon_covers_the_pixels_it_covers_by_half() -> None:
    mask = fill_polygons([[(0.6, 1.4), (3.4, 1.4), (3.4, 3.6), (0.6, 3.6)]], (6, 6))
    assert np.argwhere(mask).min(0).tolist() == [2, 1] and np.argwhere(mask).max(0).tolist() == [3, 3]
    triangle = fill_polygons([[(-0.5, -0.5), (99.5, -0.5), (-0.5, 99.5)]], (100, 100))
    assert triangle.sum() == pytest.approx(5000, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing_mm": 0}, "line 2: spacing_mm"),
        ({"p_tmc_x": "left"}, "line 2: p_tmc_x"),
        ({"p_tmc_x": ""}, "line 2: p_tmc_x"),
        ({"image": "b.png"}, r"b\.png"),
        ({"p_prox_y": 99}, "p_prox lies at"),
        ({"spacing_mm": ""}, "spacing"),
    ],
)
def test_a_bad_row_is_an_error_in_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    as_pictures(tmp_path / "set")
    table(tmp_path / "set", [change])
    with pytest.raises(KneeBundleError, match=message) as caught:
        LoadLaterald()(read_lateral_films(tmp_path / "set", "training", fold=-1)[0])
    assert "\n" not in str(caught.value)


def test_bad_masks_and_labels_are_errors(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no labels"):
        read_lateral_films(tmp_path, "training", fold=-1)
    as_pictures(tmp_path / "set")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "set/masks/a_tibia.png")
    with pytest.raises(KneeBundleError, match=r"a_tibia\.png.*9 x 9"):
        LoadLaterald()(read_lateral_films(tmp_path / "set", "training", fold=-1)[0])
    (tmp_path / "set/masks/a_fibula.png").unlink()
    with pytest.raises(KneeBundleError, match=r"a_fibula\.png"):
        read_lateral_films(tmp_path / "set", "training", fold=-1)
    with pytest.raises(KneeBundleError, match="fold 9"):
        read_lateral_films(tmp_path / "set", "training", fold=9)

    coco = tmp_path / "coco"
    coco.mkdir()
    as_coco(coco)
    content = json.loads((coco / "annotations.json").read_text())
    content["annotations"][0]["segmentation"] = {"counts": "abc", "size": [1, 1]}
    (coco / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(KneeBundleError, match="run-length"):
        read_lateral_films(coco, "training", fold=-1)
    (coco / "annotations.json").write_text('{"images": 3}')
    with pytest.raises(KneeBundleError, match="no COCO file"):
        read_lateral_films(coco, "training", fold=-1)

    labelme = tmp_path / "labelme"
    labelme.mkdir()
    as_labelme(labelme)
    (labelme / "a.png").unlink()
    with pytest.raises(KneeBundleError, match=r"a\.png.*not there"):
        read_lateral_films(labelme, "training", fold=-1)
    (labelme / "a.json").write_text("{")
    with pytest.raises(KneeBundleError, match="cannot be read"):
        read_lateral_films(labelme, "training", fold=-1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["categories"][0].update(name="thigh"), "no polygon is labelled femur"),
        (lambda c: [category.update(name="x") for category in c["categories"]], "no category is named after a bone"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4]]), "a polygon has no three corners"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5]]), "a polygon has no three corners"),
        (lambda c: c["annotations"][0].update(segmentation=[["a", 2, 3, 4, 5, 6]]), "this is no COCO file"),
        (lambda c: c["annotations"][4].update(keypoints=[1, 2, 2, 4]), "this is no COCO file"),
        (lambda c: c["images"][0].update(spacing_mm=0), "spacing_mm is 0; a positive number is needed"),
        (lambda c: c["images"][0].update(spacing_mm="wide"), "spacing_mm is 'wide'; a positive number is needed"),
        (lambda c: c.pop("images"), "this is no COCO file"),
    ],
)
def test_a_coco_file_that_cannot_be_used_is_one_line(tmp_path: Path, change: Any, message: str) -> None:
    as_coco(tmp_path)
    path = tmp_path / "annotations.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(KneeBundleError, match=message) as caught:
        read_lateral_films(tmp_path, "training", fold=-1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no JSON object"),
        ({"imagePath": "a.png"}, "this is no LabelMe file"),
        ({"shapes": [{"label": "femur", "points": [[1, 2], [3]]}], "imagePath": "a.png"}, "this is no LabelMe file"),
        ({"shapes": [{"label": "femur", "points": [[1, 2], [3, 4]]}], "imagePath": "a.png"}, "no three corners"),
    ],
)
def test_a_labelme_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: Any, message: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(KneeBundleError, match=message):
        read_lateral_films(tmp_path, "training", fold=-1)


def test_one_volume_a_bone_is_read_and_another_number_of_volumes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(boxes().astype(np.uint8).transpose(2, 1, 0), np.eye(4)), path)
    assert np.array_equal(read_masks({"labels": str(path)}, (ROWS, COLUMNS)), boxes())
    apart = np.where(boxes()[0], 1, 0) + np.where(boxes()[1], 2, 0)
    nibabel.save(nibabel.Nifti1Image(apart.astype(np.uint8).T, np.eye(4)), path)
    masks = read_masks({"labels": str(path)}, (ROWS, COLUMNS))
    assert np.array_equal(masks[:2], boxes()[:2]) and not masks[2:].any()
    nibabel.save(nibabel.Nifti1Image((7 * apart).astype(np.uint8).T, np.eye(4)), path)
    with pytest.raises(KneeBundleError, match=r"have shape \(44, 60\) and values up to 14; give"):
        read_masks({"labels": str(path)}, (ROWS, COLUMNS))


def test_a_bone_without_a_polygon_is_not_on_the_film() -> None:
    femur = np.array(corners(BOXES["femur"]), dtype=float) - 0.5
    masks = read_masks({"polygons": {"femur": [femur]}}, (ROWS, COLUMNS))
    assert np.array_equal(masks[0], boxes()[0]) and not masks[1:].any()


def test_a_table_of_points_without_a_row_or_an_image_is_an_error(tmp_path: Path) -> None:
    as_pictures(tmp_path)
    table(tmp_path, [])
    with pytest.raises(KneeBundleError, match="the table has no rows; a row a film is needed"):
        read_lateral_films(tmp_path, "training", fold=-1)
    table(tmp_path, [{"image": ""}])
    with pytest.raises(KneeBundleError, match="line 2: no image is named"):
        read_lateral_films(tmp_path, "training", fold=-1)
