"""An image that cannot be read is listed with what a user of a bundle does about it, and skipped."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.readable_records import list_readable
from kneebundle.errors import KneeBundleError


def write_png(path: Path) -> dict[str, str]:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)).save(path)
    return {"image": str(path)}


def test_the_reason_says_which_key_of_the_bundle_to_set(tmp_path: Path) -> None:
    known, unknown = {**write_png(tmp_path / "a.png"), "spacing_mm": 0.5}, write_png(tmp_path / "b.png")
    assert list_readable([known, unknown], tmp_path, str(tmp_path / "out")) == [known]
    with (tmp_path / "out" / "errors.csv").open() as file:
        (error,) = csv.DictReader(file)
    assert error["path"] == unknown["image"]
    assert error["reason"].endswith("the size of a pixel in mm is needed; set image_spacing_mm to it")


def test_a_folder_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no image in the folder can be read"):
        list_readable([write_png(tmp_path / "b.png")], tmp_path)
