"""The list of images of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.batch.manifest import find_requests, read_manifest
from kneebundle.batch.request import ImageRequest
from kneebundle.errors import KneeBundleError
from tests.batch.fakes import write_picture


def manifest(folder: Path, text: str) -> Path:
    path = folder / "m.csv"
    path.write_text(text)
    return path


def test_cells_go_before_the_values_of_the_call(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "in/a.png", 100)
    file = manifest(tmp_path, "path,side,spacing_mm,view\nin/a.png,L,0.25,pa-single\nb.png,,,\nc.png,,,auto\n")
    found = read_manifest(file, tmp_path / "out", side="R", spacing_mm=0.5, view="pa-single")
    assert found == [
        ImageRequest(path, "L", 0.25, "manifest", "pa-single"),
        ImageRequest(tmp_path / "b.png", "R", 0.5, "argument", "pa-single"),
        ImageRequest(tmp_path / "c.png", "R", 0.5, "argument", None),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file\na.png\n", "no column 'path'; found: file"),
        ("path\n", "lists no images"),
        ("path,side\na.png,both\n", "line 2: side is 'both'; one of R, L is needed"),
        ("path,view\na.png,oblique\n", "line 2: view is 'oblique'"),
        ("path,spacing_mm\na.png,0.2\nb.png,nan\n", "line 3: spacing_mm is 'nan'; a finite number"),
        ("path,spacing_mm\na.png,-1\n", "line 2: spacing_mm is -1.0; it must be above 0"),
        ("path,side\na.png,R\n,L\n", "line 3: path is empty"),
        ("path,side\na.png,R\na.png,L\n", "line 3: .*a.png is listed twice with different values"),
        ("path\nout/a.png\n", "line 2: .* is in the output folder"),
    ],
)
def test_what_is_wrong_gets_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        read_manifest(manifest(tmp_path, text), tmp_path / "out")


def test_a_manifest_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv", tmp_path / "out")


def test_each_image_is_found_once_and_pictures_of_an_earlier_run_are_not(tmp_path: Path) -> None:
    image = write_picture(tmp_path / "in/a.png", 100)
    write_picture(tmp_path / "in/out/a.png", 100)
    found = find_requests([tmp_path / "in", image], tmp_path / "in/out", spacing_mm=0.5)
    assert found == [ImageRequest(image, None, 0.5)]


def test_the_output_folder_is_no_input(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.png", 100)
    with pytest.raises(KneeBundleError, match="the input is the output folder"):
        find_requests([tmp_path / "in"], tmp_path / "in")


def test_no_images_is_an_error_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(KneeBundleError, match="no image"):
        find_requests([tmp_path / "in"], tmp_path / "out")


def test_a_folder_whose_only_images_are_those_of_an_earlier_run_is_an_error(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/out/knee.png", 100)
    with pytest.raises(KneeBundleError, match="no images found in .*in; give files or folders with radiographs"):
        find_requests([tmp_path / "in"], tmp_path / "in/out")
