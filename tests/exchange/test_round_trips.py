"""Whatever is written in a format comes back from it as it was: sides, missing points, fractions, names, sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kneebundle.cli.convert import NAMES
from kneebundle.exchange import (
    FORMATS,
    Context,
    Images,
    Mark,
    detect_format,
    list_files,
    list_marks,
    make_document,
    read_facts,
    read_file,
    write_image,
)
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from tests.exchange.documents import carried, distinct, documents

QUICK = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(QUICK, max_examples=6)


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == NAMES


def there_and_back(found: list[dict[str, Any]], name: str, folder: Path) -> list[dict[str, Any]]:
    path = folder / f"all{FORMATS[name].ending}"
    FORMATS[name].write(found, path, Context())
    assert detect_format(path) == name
    return read_file(path, None, Context())


@QUICK
@given(found=st.lists(documents(decimals=6), min_size=1, max_size=3).map(distinct))
@pytest.mark.parametrize("name", ["via", "via-json", "coco", "label-studio"])
def test_formats_with_free_fields_lose_nothing(tmp_path: Path, name: str, found: list[dict[str, Any]]) -> None:
    back = there_and_back(found, name, tmp_path)
    assert [carried(document) for document in back] == [carried(document) for document in found]


@QUICK
@given(found=st.lists(documents(decimals=6), min_size=1, max_size=3).map(distinct))
def test_a_table_of_landmarks_loses_the_size_of_the_image_only(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    back = there_and_back(found, "csv", tmp_path)
    for document, read in zip(found, back, strict=True):
        # a Schoettle point's radius is that of a circle of the plan, which the table leaves out
        points = [mark if mark.name != "schoettle_point" else without_numbers(mark) for mark in list_marks(document)]
        assert (list_marks(read), read["image"]["path"]) == (points, document["image"]["path"])


def without_numbers(mark: Mark) -> Mark:
    return Mark(mark.side, mark.name, mark.x, mark.y)


@QUICK
@given(found=st.lists(documents(lateral=False, decimals=6), min_size=1, max_size=3).map(distinct))
def test_labels_for_an_evaluation_keep_points_and_spacing(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    back = there_and_back(found, "truth", tmp_path)
    for document, read in zip(found, back, strict=True):
        assert carried(read, facts=False) == carried(document, facts=False)
        assert read_facts(read).spacing_mm == read_facts(document).spacing_mm


@QUICK
@given(document=documents(decimals=6))
def test_json_is_left_as_it_is(tmp_path: Path, document: dict[str, Any]) -> None:
    write_image("json", document, tmp_path, "film", Context())
    assert read_file(tmp_path / "film.json", None, Context()) == [document]


@QUICK
@given(document=documents(decimals=6), unit=st.sampled_from(["px", "mm"]))
def test_point_files_keep_sides_and_places(tmp_path: Path, document: dict[str, Any], unit: Any) -> None:
    context = Context(pts_unit=unit)
    files = list_files("pts", document, "film.1")
    write_image("pts", document, tmp_path, "film.1", context)
    marks: list[Any] = []
    for file in files:
        if unit == "mm":  # the file does not say the size of a pixel
            row_mm, column_mm = read_facts(document).spacing_mm or (0, 0)
            lines = [line.split() for line in (tmp_path / file).read_text().splitlines()[3:-1]]
            places = [(float(x) / column_mm, float(y) / row_mm) for x, y in lines]
            marks += [place for place in places if np.isfinite(place).all()]
        else:
            (read,) = read_file(tmp_path / file, None, Context())
            assert read["image"]["path"] == "film.1"
            marks += list_marks(read)
    expected = carried(document, numbers=False)[0]
    if unit == "mm":
        np.testing.assert_allclose(marks, [(mark.x, mark.y) for mark in expected], atol=1e-3)
    else:
        assert marks == expected


FILMS: dict[str, dict[str, Any]] = {
    "odd": {"shape": (61, 43), "spacing": (0.5, 0.75)},
    "turned": {"shape": (40, 70), "spacing": (0.3, 0.2), "attributes": {"PatientOrientation": ["R", "F"]}},
    "dark": {"shape": (64, 64), "spacing": (0.2, 0.2), "attributes": {"PhotometricInterpretation": "MONOCHROME1"}},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """DICOM films of odd sizes, with pixels that are not square, stored upside down or dark on bright."""
    folder = tmp_path_factory.mktemp("films")
    for name, film in FILMS.items():
        pixels = np.random.default_rng(0).integers(100, 4000, film["shape"]).astype(np.uint16)
        known = {"side": "L", "view": "pa-single", "attributes": film.get("attributes", {})}
        write_dicom(folder / f"{name}.dcm", pixels, film["spacing"], **known)
    return Images([folder])


@FEW
@given(data=st.data(), film=st.sampled_from(sorted(FILMS)))
@pytest.mark.parametrize("name", ["slicer", "sr", "gsps"])
def test_formats_that_lie_on_a_film_come_back_to_its_pixels(
    tmp_path: Path, films: Images, name: str, film: str, data: Any
) -> None:
    file = films.find(film)
    assert file is not None
    facts = films.complete(read_facts({"image": {"path": str(file)}}))
    document = data.draw(documents(facts=facts, decimals=6 if name == "slicer" else 3))
    (written,) = list_files(name, document, film)
    write_image(name, document, tmp_path, film, Context(films))
    assert detect_format(tmp_path / written) == name
    (back,) = read_file(tmp_path / written, None, Context(films))
    assert read_facts(back) == read_facts(document)
    assert list_marks(back) == carried(document, numbers=name != "gsps")[0]


@pytest.mark.parametrize("name", ["sr", "gsps"])
def test_a_dicom_object_is_known_again_by_its_image_whatever_it_is_called(
    tmp_path: Path, films: Images, name: str
) -> None:
    file = films.find("turned")
    assert file is not None
    image = read_radiograph(file)
    facts = films.complete(read_facts({"image": {"path": str(file)}}))
    write_image(name, make_document(facts, [Mark("L", "tibia_center", 3.5, 4.25)]), tmp_path, "x", Context(films))
    (tmp_path / f"x_{name}.dcm").rename(tmp_path / "IM0001")
    (back,) = read_file(tmp_path / "IM0001", None, Context(films))
    assert back["image"]["path"] == str(file)
    assert back["image"]["sop_instance_uid"] == image.sop_instance_uid
    (alone,) = read_file(tmp_path / "IM0001", None, Context())
    assert alone["image"]["sop_instance_uid"] == image.sop_instance_uid
    assert json.dumps(alone)
