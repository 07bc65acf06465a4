"""Read the structured reports (TID 1500) of :mod:`kneebundle.reports.dicom_sr` back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kneebundle.errors import KneeBundleError
from kneebundle.exchange.documents import Document, ImageFacts, Mark, check_known, make_document, parse_label
from kneebundle.exchange.images import Images
from kneebundle.reports.dicom_source import suppress_warnings
from kneebundle.reports.points import round_value

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["read_structured_report"]

_HALF_PIXEL = 0.5
_ROWS, _COLUMNS, _ACROSS, _ALONG = "110910", "110911", "111026", "111066"
"""DICOM codes of an image's rows and columns, and of its horizontal and vertical pixel spacing."""


def read_structured_report(path: Path, images: Images) -> list[Document]:
    """Read the points and the measurements of a report; the lines of a plan are left out.

    Coordinates of a report are of single precision: they are rounded to three decimals.

    Raises:
        KneeBundleError: if it is something else.
    """
    import highdicom as hd

    try:
        with suppress_warnings():
            report: Any = hd.sr.srread(path)
            regions = report.content.get_planar_roi_measurement_groups()
            groups = [group for group in regions if group.roi.graphic_type == hd.sr.GraphicTypeValues.POINT]
            marks = [mark for group in groups for mark in _read_group(group, _find_radius(regions))]
            measured = {
                str(group.tracking_identifier): _read_numbers(group)
                for group in report.content.get_image_measurement_groups()
            }
            facts = _read_image(report, path, images)
    except KneeBundleError:
        raise
    except Exception as error:
        raise KneeBundleError(
            f"not a structured report of measurements, TID 1500 ({type(error).__name__})", path
        ) from error
    check_known(len(groups), marks, path)
    document = make_document(images.complete(facts), marks)
    for knee in document.get("knees", [document.get("planning")]):
        side = knee["side"]
        knee["measurements"] = measured.get("knee" if side is None else f"knee {side}", {})
    return [document]


def _find_radius(regions: Sequence[Any]) -> float | None:
    """The radius of the circle around the Schoettle point, if it is drawn."""
    circles = (_read_numbers(r) for r in regions if str(r.tracking_identifier).startswith("schoettle_circle"))
    return next((numbers["radius"]["value"] for numbers in circles if "radius" in numbers), None)


def _read_group(group: Any, schoettle_radius: float | None) -> Iterator[Mark]:
    """The point of a group, called ``tibia_center R``; none where it is no landmark of ours."""
    words = str(group.tracking_identifier).split()
    named = parse_label(" ".join(reversed(words))) if len(words) <= 2 else None
    if named is not None:
        x, y = (round_value(value - _HALF_PIXEL) for value in group.roi.value[0])
        numbers = {name: number["value"] for name, number in _read_numbers(group).items()}
        radius = schoettle_radius if named[1] == "schoettle_point" else numbers.get("radius_mm")
        yield Mark(*named, x, y, numbers.get("confidence"), radius)


def _read_numbers(group: Any) -> Mapping[str, dict[str, Any]]:
    return {
        str(number.name.value): {"value": float(number.value), "unit": str(number.unit.value)}
        for number in group.get_measurements()
    }


def _read_image(report: Dataset, path: Path, images: Images) -> ImageFacts:
    """The image that a report is about; its size and spacing as the report's image library has them."""
    reference = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    uid = str(reference.ReferencedSOPInstanceUID)
    name = path.stem.removesuffix("_sr")
    found = images.find("", uid) or images.find(name)
    stated = dict(_list_numbers(report))
    spacing = (stated[_ALONG], stated[_ACROSS]) if _ALONG in stated and _ACROSS in stated else None
    if found is not None:
        return ImageFacts(path=str(found), sop_instance_uid=uid)
    return ImageFacts(
        path=name,
        rows=int(stated[_ROWS]) if _ROWS in stated else None,
        columns=int(stated[_COLUMNS]) if _COLUMNS in stated else None,
        spacing_mm=spacing,
        spacing_source=None if spacing is None else "ImagerPixelSpacing",
        sop_instance_uid=uid,
    )


def _list_numbers(item: Dataset) -> Iterator[tuple[str, float]]:
    """Codes and values of the numbers in the image library."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM" and child.ConceptNameCodeSequence[0].CodingSchemeDesignator == "DCM":
            value = child.MeasuredValueSequence[0].NumericValue
            yield str(child.ConceptNameCodeSequence[0].CodeValue), float(value)
        elif child.ValueType in ("CONTAINER", "IMAGE") and "measurement" not in _get_meaning(child).lower():
            yield from _list_numbers(child)


def _get_meaning(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""
