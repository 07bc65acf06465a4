"""What becomes of a knee that cannot be standardised, of regions beyond the film, and of records that are not whole."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import UNCALIBRATED, Radiograph
from kneebundle.reports.json_report import to_document
from kneebundle.reports.standardized import (
    RegionSizes,
    StandardGrid,
    StandardSettings,
    read_standardized,
    write_knee_table,
    write_standardized,
)
from tests.reports.html.films import make_result
from tests.reports.lateral_results import lateral_result, write_source

SETTINGS = StandardSettings(StandardGrid(0.5, (80.0, 100.0)), keep_flagged=True)


def standardize(
    radiograph: Radiograph, document: dict[str, Any], folder: Path, settings: StandardSettings = SETTINGS
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    record = folder / "film.json"
    write_standardized(document, radiograph, settings, Path(radiograph.path), record, folder, "film")
    found = read_standardized(folder / "film.json", settings)
    assert found is not None
    return found


def test_a_lateral_film_needs_a_point_and_a_pixel_size(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "film.dcm"))
    document = to_document(result)
    (knee,) = standardize(result.radiograph, document, tmp_path / "out")["knees"]
    assert knee["left_out"] is None and (tmp_path / "out" / knee["files"]["png"]).is_file()
    unknown = replace(result.radiograph, spacing_source=UNCALIBRATED)
    (knee,) = standardize(unknown, document, tmp_path / "out")["knees"]
    assert (knee["left_out"], knee["files"]) == ("the size of a pixel is not known", {})
    for refused, reason in ((None, "no Schoettle point was found"), ("no femur was found", "no femur was found")):
        document["planning"] |= {"schoettle_point": None, "refused": refused}
        (knee,) = standardize(result.radiograph, document, tmp_path / "out")["knees"]
        assert (knee["left_out"], knee["files"]) == (reason, {})


def test_the_row_of_a_lateral_knee_has_no_points(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "film.dcm"))
    about = standardize(result.radiograph, to_document(result), tmp_path / "out")
    write_knee_table([about], tmp_path / "knees.csv")
    with (tmp_path / "knees.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["view"] == "lateral" and row["rows"] and not any(row[name] for name in KNEE_PA.columns)


def test_a_region_on_what_is_no_film_is_left_out_and_says_so(tmp_path: Path) -> None:
    result = make_result()
    regions = RegionSizes()
    settings = replace(SETTINGS, regions=regions)
    knees = standardize(result.radiograph, to_document(result), tmp_path / "out", settings)["knees"]
    assert any(region["left_out"] is None for knee in knees for region in knee["regions"])
    pixels = result.radiograph.pixels.astype(np.float32).copy()
    cut = replace(result.radiograph, pixels=pixels[:, : pixels.shape[1] // 4])
    reasons = {
        region["left_out"]
        for knee in standardize(cut, to_document(result), tmp_path / "cut", settings)["knees"]
        for region in knee["regions"]
    }
    assert "reaches beyond the radiograph" in reasons
    assert not any((tmp_path / "cut").glob("*_L_*.png"))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema": "another/1"}', "[" * 100_000])
def test_a_record_that_is_none_is_not_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "film.json").write_text(text)
    assert read_standardized(tmp_path / "film.json", SETTINGS) is None
    assert read_standardized(tmp_path / "none.json", SETTINGS) is None


def test_a_record_of_other_settings_is_not_read(tmp_path: Path) -> None:
    result = make_result()
    standardize(result.radiograph, to_document(result), tmp_path)
    assert read_standardized(tmp_path / "film.json", replace(SETTINGS, keep_flagged=False)) is None
    assert json.loads((tmp_path / "film.json").read_text())["settings"] == SETTINGS.to_document()
