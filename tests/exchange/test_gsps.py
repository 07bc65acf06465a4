"""A presentation state draws the landmarks on the pixels that they belong to, as the standard has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from kneebundle.errors import KneeBundleError
from kneebundle.exchange import (
    Images,
    Mark,
    detect_format,
    list_marks,
    make_document,
    read_facts,
    read_gsps,
    write_gsps,
)
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import KNEE_PA
from kneebundle.reports.json_report import to_document
from tests.reports.lateral_results import lateral_result, write_source
from tests.reports.test_dicom_seg import dicom_errors

POINTS = [Mark(side, name, 3.0 + i, 20.25 + i) for side in "RL" for i, name in enumerate(KNEE_PA.names)]


def written(tmp_path: Path, marks: list[Mark], **attributes: Any) -> Any:
    source = tmp_path / "film.dcm"
    pixels = np.random.default_rng(0).integers(100, 4000, (60, 40)).astype(np.uint16)
    write_dicom(source, pixels, (1.0, 1.5), side="L", view="pa-single", attributes=attributes)
    facts = Images([source]).complete(read_facts({"image": {"path": str(source)}}))
    write_gsps(make_document(facts, marks), source, tmp_path / "film_gsps.dcm")
    return dcmread(tmp_path / "film_gsps.dcm")


def graphics(state: Any, layer: str) -> list[Any]:
    return [
        graphic
        for annotation in state.GraphicAnnotationSequence
        if annotation.GraphicLayer == layer
        for graphic in annotation.GraphicObjectSequence
    ]


@pytest.mark.parametrize("marks", [POINTS, POINTS[:3], POINTS[16:]])
def test_the_standard_is_kept(tmp_path: Path, marks: list[Mark]) -> None:
    written(tmp_path, marks)
    assert dicom_errors(tmp_path / "film_gsps.dcm") == []


def test_points_count_from_the_corner_of_the_first_pixel(tmp_path: Path) -> None:
    state = written(tmp_path, POINTS)
    points = graphics(state, "LANDMARKS")
    assert [point.TrackingID for point in points[:2]] == ["R tibia_lateral_edge", "R tibia_lateral_plateau_outer"]
    assert {point.GraphicType for point in points} == {"POINT"}
    assert [list(point.GraphicData) for point in points[:2]] == [[3.5, 20.75], [4.5, 21.75]]
    crosses = graphics(state, "CROSSES")
    assert len(crosses) == 64
    assert list(crosses[0].GraphicData) == [2.5, 20.75, 4.5, 20.75], "1.5 mm to either side, at 1.5 mm a column"
    assert list(crosses[1].GraphicData) == [3.5, 19.25, 3.5, 22.25], "and 1 mm a row"
    assert [line.NumberOfGraphicPoints for line in graphics(state, "LINES")] == [9, 7, 9, 7]


def test_crosses_end_at_the_border(tmp_path: Path) -> None:
    state = written(tmp_path, [Mark("R", "tibia_center", -0.5, 59.5)])
    for cross in graphics(state, "CROSSES"):
        x, y = np.array(cross.GraphicData).reshape(-1, 2).T
        assert (x.min(), y.max()) >= (0.0, 0.0)
        assert x.max() <= 40
        assert y.max() <= 60


def test_it_refers_to_its_image_and_belongs_to_its_patient(tmp_path: Path) -> None:
    state = written(tmp_path, POINTS, PatientName="Mustermann^Erika", PatientID="7")
    image = dcmread(tmp_path / "film.dcm")
    reference = state.ReferencedSeriesSequence[0]
    assert reference.SeriesInstanceUID == image.SeriesInstanceUID
    assert reference.ReferencedImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert (state.PatientName, state.StudyInstanceUID) == (image.PatientName, image.StudyInstanceUID)
    assert state.Modality == "PR"


def test_the_grey_scale_of_the_image_is_taken_over(tmp_path: Path) -> None:
    state = written(tmp_path, POINTS, WindowCenter="1500", WindowWidth="900")
    assert float(state.SoftcopyVOILUTSequence[0].WindowCenter) == 1500
    assert state.PresentationLUTShape == "IDENTITY"
    state = written(tmp_path, POINTS, PhotometricInterpretation="MONOCHROME1")
    assert state.PresentationLUTShape == "INVERSE"
    pixels = dcmread(tmp_path / "film.dcm").pixel_array
    window = state.SoftcopyVOILUTSequence[0]
    assert float(window.WindowWidth) == pixels.max() - pixels.min()


@pytest.mark.parametrize(
    ("stated", "window"),
    [
        ({"WindowCenter": ["1500", "900"], "WindowWidth": ["800", "700"]}, (1500, 800)),
        ({"WindowCenter": ["1", "2"], "WindowWidth": ["8", "7"], "WindowCenterWidthExplanation": "A"}, (1, 8)),
        ({"WindowCenter": "0", "WindowWidth": "0"}, None),
        ({"WindowCenter": "1500"}, None),
    ],
    ids=["two", "wrongly explained", "of no width", "half"],
)
def test_a_window_that_cannot_be_used_is_not_taken_over(tmp_path: Path, stated: Any, window: Any) -> None:
    taken = written(tmp_path, POINTS, **stated).SoftcopyVOILUTSequence[0]
    pixels = dcmread(tmp_path / "film.dcm").pixel_array
    low, high = float(pixels.min()), float(pixels.max())
    expected = window or ((low + high) / 2, high - low)
    assert (float(taken.WindowCenter), float(taken.WindowWidth)) == expected
    assert dicom_errors(tmp_path / "film_gsps.dcm") == []


def test_a_radiograph_saved_in_colour_has_a_state_for_colour(tmp_path: Path) -> None:
    written(tmp_path, POINTS)
    film = dcmread(tmp_path / "film.dcm")
    grey = np.repeat((film.pixel_array / 16).astype(np.uint8)[..., None], 3, axis=-1)
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PlanarConfiguration = 3, "RGB", 0
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelData = 7, grey.tobytes()
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    film.save_as(tmp_path / "film.dcm")
    images = Images([tmp_path / "film.dcm"])
    facts = images.complete(read_facts({"image": {"path": str(tmp_path / "film.dcm")}}))
    write_gsps(make_document(facts, POINTS), tmp_path / "film.dcm", tmp_path / "film_gsps.dcm")
    assert dicom_errors(tmp_path / "film_gsps.dcm") == []
    assert detect_format(tmp_path / "film_gsps.dcm") == "gsps"
    (read,) = read_gsps(tmp_path / "film_gsps.dcm", images)
    assert list_marks(read) == POINTS


def test_a_plan_is_drawn_with_its_lines(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.dcm")
    write_gsps(to_document(lateral_result(source)), source, tmp_path / "a_gsps.dcm")
    state = dcmread(tmp_path / "a_gsps.dcm")
    assert [point.TrackingID for point in graphics(state, "LANDMARKS")] == ["L p_blum", "L schoettle_point"]
    assert len(graphics(state, "LINES")) == 3
    assert state.Laterality == "L"
    assert dicom_errors(tmp_path / "a_gsps.dcm") == []


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no point to draw"):
        written(tmp_path, [])


def test_a_damaged_state_is_one_line_that_quotes_nothing_of_it(tmp_path: Path) -> None:
    state = written(tmp_path, POINTS, PatientName="Mustermann^Erika")
    del state.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
    state.save_as(tmp_path / "film_gsps.dcm")
    with pytest.raises(KneeBundleError, match=r"not a presentation state with graphics \(AttributeError\)"):
        read_gsps(tmp_path / "film_gsps.dcm", Images())
