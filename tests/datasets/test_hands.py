"""The reader of hands: what it takes, what is an error, and that what has no label is not learnt."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.hands import LoadHandd, read_fold_numbers, read_hand_table, read_hands, wrist_spacing
from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.hand import PhantomHands


def points(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(5, 55, (37, 2)).round(2)
    values[[0, 4]] = (10, 50), (50, 50)
    return values


def row(name: str, values: np.ndarray) -> str:
    return ",".join([name, *("" if np.isnan(v) else f"{v}" for v in values.ravel())])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images of 60 x 80 pixels with their labels, and a fifth row without an image."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    names = ["11", "22", "33", "44"]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (60, 80), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.png")
    lines = [row(name, points(i)) for i, name in enumerate([*names, "55"])]
    (tmp_path / "landmarks_px.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_wrist_gives_the_scale() -> None:
    assert wrist_spacing(points()) == pytest.approx(50.0 / 40.0)
    with pytest.raises(KneeBundleError, match="landmarks 0 and 4"):
        wrist_spacing(np.zeros((37, 2)))


def test_the_table_gives_points_by_id(folder: Path) -> None:
    table = read_hand_table(folder / "landmarks_px.csv")
    assert list(table) == ["11", "22", "33", "44", "55"]
    assert np.array_equal(table["22"], points(1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (row("66", points()[:36]), "72 numbers after the id; 37 landmarks have 74"),
        (row("66", points()).replace(",10", ",ten", 1), "line 6"),
        (row("11", points()), "stands there twice"),
        (row("66", np.where(np.arange(37)[:, None] == 4, np.nan, points())), "ends of the wrist"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(folder: Path, line: str, said: str) -> None:
    path = folder / "landmarks_px.csv"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(KneeBundleError, match=said):
        read_hand_table(path)


def test_an_image_without_a_row_is_an_error(folder: Path) -> None:
    (folder / "images" / "11.png").rename(folder / "images" / "77.png")
    with pytest.raises(KneeBundleError, match="77 has no row"):
        read_hands(folder, "training")


def test_a_folder_without_a_table_is_an_error(folder: Path) -> None:
    (folder / "landmarks_px.csv").unlink()
    with pytest.raises(KneeBundleError, match="no table of landmarks"):
        read_hands(folder, "training")


def test_points_are_in_mm_and_those_outside_or_without_label_are_not_learnt(folder: Path) -> None:
    values = points()
    values[7], values[8], values[9] = (np.nan, np.nan), (90.0, 10.0), (79.4, -0.4)
    data = LoadHandd()({"id": "11", "image": str(folder / "images" / "11.png"), "landmarks": values})
    labels = data["landmarks"].numpy()
    assert np.isnan(labels[[7, 8]]).all() and np.isfinite(np.delete(labels, [7, 8], axis=0)).all()
    assert labels[9] == pytest.approx(values[9] * 1.25)
    assert data["image"].shape == (1, 60, 80)
    assert data["image"].affine.diagonal().tolist() == [1.25, 1.25, 1.0, 1.0]


def test_folds_part_the_images(folder: Path) -> None:
    held_out = [[r["id"] for r in read_hands(folder, "validation", fold)] for fold in range(3)]
    assert held_out == [["11", "44"], ["22"], ["33"]]
    trained = [[r["id"] for r in read_hands(folder, "training", fold)] for fold in range(3)]
    assert trained == [["22", "33"], ["11", "33", "44"], ["11", "22", "44"]]


def test_fold_minus_1_trains_on_every_hand_and_validates_on_every_third(folder: Path) -> None:
    train, validation = ([r["id"] for r in read_hands(folder, s, fold=-1)] for s in ("training", "validation"))
    assert train == ["11", "22", "33", "44"]
    assert validation == ["11", "44"]


def test_fold_lists_go_before_the_order_of_ids(folder: Path) -> None:
    (folder / "cv").mkdir()
    for number, names in enumerate((["44"], ["11", "22"], ["33"]), start=1):
        (folder / "cv" / f"set{number}.txt").write_text("\n".join(names) + "\n")
    assert read_fold_numbers(folder, ["11", "22", "33", "44"]) == [1, 1, 2, 0]
    (folder / "cv" / "set3.txt").write_text("33\n11\n")
    with pytest.raises(KneeBundleError, match="image 11 stands in 2 fold lists"):
        read_fold_numbers(folder, ["11", "22", "33", "44"])
    (folder / "cv" / "set3.txt").unlink()
    with pytest.raises(KneeBundleError, match="set3.txt"):
        read_fold_numbers(folder, ["11", "22", "33", "44"])


def test_a_drawn_hand_is_loaded_as_it_was_drawn() -> None:
    hands = PhantomHands(3, seed=1, spacing_mm=1.5)
    radiograph, landmarks = hands[2]
    loaded = LoadHandd()({"drawn": hands, "index": 2})
    np.testing.assert_array_equal(loaded["image"][0], radiograph.pixels)
    np.testing.assert_allclose(loaded["landmarks"], landmarks.points * 1.5)
    assert (loaded["path"], loaded["image_spacing_mm"]) == ("phantom-2", (1.5, 1.5))


@pytest.mark.parametrize("fold", [-2, 3])
def test_a_fold_that_does_not_exist_is_an_error(folder: Path, fold: int) -> None:
    with pytest.raises(KneeBundleError, match=f"fold {fold} does not exist"):
        read_hands(folder, "training", fold)


def test_a_table_without_a_row_or_that_is_no_text_is_an_error(folder: Path) -> None:
    path = folder / "landmarks_px.csv"
    for content, reason in ((b"\n\n", "the table has no rows"), (b"\xff\xfe\x00", "the table cannot be read")):
        path.write_bytes(content)
        with pytest.raises(KneeBundleError, match=reason):
            read_hand_table(path)
