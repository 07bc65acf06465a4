"""Write points, lines, circles and measurements as a DICOM structured report (TID 1500, Comprehensive SR).

Everything comes from the JSON document, so that both say the same. A coordinate of the standard counts from the corner
of the first pixel (PS3.3 C.18.6.1.2): it is ours, which counts from its centre, plus 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebundle import __version__
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.writing import write_atomically
from kneebundle.reports.dicom_source import CODING_SCHEME, MAKER, read_source, suppress_warnings
from kneebundle.reports.points import clip_line

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["has_content", "write_structured_report"]

_SERIES_NUMBER = 9002
_HALF_PIXEL = 0.5
_SIDES = {"R": "Right", "L": "Left"}
_UNITS = {"mm": "Millimeter", "deg": "Degree", "1": "NoUnits"}
_RADIOGRAPHY = ("168537006", "SCT", "Plain radiography")
_KNEE = ("72696002", "SCT", "Knee")


def has_content(document: Mapping[str, Any]) -> bool:
    """Whether there is anything to report: a point or a line on a knee."""
    knees = document.get("knees") or [document.get("planning") or {}]
    return any(knee.get("landmarks") or knee.get("lines") for knee in knees)


def write_structured_report(
    document: Mapping[str, Any], source: Path, path: Path, pseudonyms: Pseudonyms | None = None
) -> None:
    """Write what was found on a radiograph as a structured report on its DICOM image.

    Landmarks and the Schoettle point are POINTs, the lines POLYLINEs from border to border, the inner circle and the
    2.5 mm area CIRCLEs (ELLIPSEs where pixels are not square); measurements have UCUM units. Names that no standard has
    are codes of ``99KNEEBUNDLE``. The report belongs to the patient and study of the image, whose attributes are copied
    as the standard demands. It is not verified by anyone, and says so.

    Args:
        document: of :func:`kneebundle.reports.json_report.to_document`.
        source: DICOM file of the radiograph.
        path: where to write, atomically.
        pseudonyms: that stand for the identities of the image.

    Raises:
        KneeBundleError: if the source does not say which image it is.
    """
    image = read_source(source, pseudonyms)
    with suppress_warnings(), write_atomically(path) as temporary:
        _make_report(document, image).save_as(temporary, enforce_file_format=True)


def _make_report(document: Mapping[str, Any], image: Dataset) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    model = _get_model(document)
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=hd.UID(), name=MAKER, manufacturer_name=MAKER, model_name=model["bundle"]
    )
    observer = hd.sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=hd.sr.CodedConcept(*_RADIOGRAPHY),
        imaging_measurements=list(_Groups(document, image).make()),
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=_list_describable(image),
    )
    return hd.sr.ComprehensiveSR(
        evidence=[image],
        content=content,
        series_instance_uid=hd.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        series_description="Landmarks and measurements (research only)",
    )


def _list_describable(image: Dataset) -> list[Dataset] | None:
    """The image for the report's library, which tells its orientation and pixel size; None where it lacks them."""
    import highdicom as hd

    try:
        hd.sr.ImageLibraryEntryDescriptors(image)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    return [image]


def _get_model(document: Mapping[str, Any]) -> Mapping[str, str]:
    """The network that the points are of; this package, where people marked them."""
    models: Sequence[Mapping[str, str]] = document["models"]
    return models[-1] if models else {"bundle": MAKER, "version": __version__}


class _Groups:
    """The measurement groups of a report."""

    def __init__(self, document: Mapping[str, Any], image: Dataset) -> None:
        self.document = document
        self.image = image
        self.size = np.array([document["image"]["columns"], document["image"]["rows"]], dtype=np.float64)
        self.spacing = np.array(document["image"]["spacing_mm"][::-1], dtype=np.float64)
        self.algorithm = _get_model(document)
        self.is_predicted = bool(document["models"])

    def make(self) -> Iterator[Any]:
        """Each thing that was found, with what was measured on it; then the numbers of each knee."""
        for knee in self.document.get("knees", ()):
            yield from self._make_points(knee["landmarks"], knee["side"])
            yield from self._make_numbers(knee["measurements"], knee["side"])
        if "planning" in self.document:
            yield from self._make_planning(self.document["planning"])

    def _make_planning(self, planning: Mapping[str, Any]) -> Iterator[Any]:
        side = planning["side"]
        yield from self._make_points(planning["landmarks"], side)
        for name, line in planning["lines"].items():
            ends = clip_line(np.array(line["point_px"]) + _HALF_PIXEL, np.array(line["direction"]), self.size)
            if ends is not None:
                yield self._make_region(name, "POLYLINE", ends, side)
        point = planning["schoettle_point"]
        if point is not None:
            yield self._make_region("schoettle_point", "POINT", self._locate(point)[None], side)
            radii = {"schoettle_circle": point.get("radius_mm"), "schoettle_area": planning.get("area_mm")}
            for name, radius_mm in radii.items():
                if radius_mm is None:
                    continue
                shape, points = self._make_circle(self._locate(point), radius_mm)
                radius = {"radius": {"value": radius_mm, "unit": "mm"}}
                yield self._make_region(name, shape, points, side, radius)
        yield from self._make_numbers(planning["measurements"], side)

    def _make_points(self, landmarks: Sequence[Mapping[str, Any]], side: str | None) -> Iterator[Any]:
        for landmark in landmarks:
            known = {
                name: {"value": landmark[name], "unit": unit}
                for name, unit in (("confidence", "1"), ("radius_mm", "mm"))
                if landmark.get(name) is not None
            }
            yield self._make_region(landmark["name"], "POINT", self._locate(landmark)[None], side, known)

    def _locate(self, point: Mapping[str, Any]) -> np.ndarray:
        return np.array([point["x_px"], point["y_px"]]) + _HALF_PIXEL

    def _make_circle(self, center: np.ndarray, radius_mm: float) -> tuple[str, np.ndarray]:
        """A circle by its centre and a point of it, or an ellipse by the ends of its long and its short axis."""
        across, along = np.diag(radius_mm / self.spacing)
        if np.isclose(*self.spacing):
            return "CIRCLE", np.array([center, center + across])
        long, short = (across, along) if self.spacing[0] < self.spacing[1] else (along, across)
        return "ELLIPSE", np.array([center - long, center + long, center - short, center + short])

    def _make_region(
        self,
        name: str,
        shape: str,
        points: np.ndarray,
        side: str | None,
        measurements: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Any:
        import highdicom as hd
        from pydicom.sr.codedict import codes

        bone = codes.SCT.Tibia if name.startswith("tibia") else codes.SCT.Femur
        source = hd.sr.SourceImageForRegion(self.image.SOPClassUID, self.image.SOPInstanceUID)
        return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), name if side is None else f"{name} {side}"),
            referenced_region=hd.sr.ImageRegion(shape, points, source),
            finding_type=_make_code(name),
            algorithm_id=self._identify_algorithm(),
            finding_sites=[_make_site(bone, side)],
            measurements=_make_measurements(measurements or {}),
        )

    def _identify_algorithm(self) -> Any:
        """The network; None for points that people marked."""
        import highdicom as hd

        if not self.is_predicted:
            return None
        return hd.sr.AlgorithmIdentification(self.algorithm["bundle"], self.algorithm["version"])

    def _make_numbers(self, measurements: Mapping[str, Mapping[str, Any]], side: str | None) -> Iterator[Any]:
        import highdicom as hd

        if measurements:
            source = hd.sr.SourceImageForMeasurementGroup(self.image.SOPClassUID, self.image.SOPInstanceUID)
            yield hd.sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "knee" if side is None else f"knee {side}"),
                algorithm_id=self._identify_algorithm(),
                finding_sites=[_make_site(hd.sr.CodedConcept(*_KNEE), side)],
                source_images=[source],
                measurements=_make_measurements(measurements),
            )


def _make_code(name: str) -> Any:
    import highdicom as hd

    return hd.sr.CodedConcept(name, CODING_SCHEME, name.replace("_", " "))


def _make_site(place: Any, side: str | None) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    return hd.sr.FindingSite(place, laterality=None if side is None else getattr(codes.SCT, _SIDES[side]))


def _make_measurements(numbers: Mapping[str, Mapping[str, Any]]) -> list[Any] | None:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    return [
        hd.sr.Measurement(_make_code(name), number["value"], getattr(codes.UCUM, _UNITS[number["unit"]]))
        for name, number in numbers.items()
        if number["value"] is not None
    ] or None
