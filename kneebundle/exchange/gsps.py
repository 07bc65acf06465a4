"""DICOM presentation states (GSPS) that draw the landmarks over their image in any viewer that shows such objects.

Each landmark is a POINT with the tracking identifier ``R tibia_center`` and so on, which is read back, and a cross that
can be seen; the outlines of the bones are POLYLINEs. Coordinates are in PIXEL units, which count from the corner of
the first pixel (PS3.3 C.10.5.1.2): they are ours, which count from its centre, plus 0.5, in single precision. A
presentation state replaces the image's own grey scale, so its window and polarity are taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebundle import __version__
from kneebundle.errors import KneeBundleError
from kneebundle.exchange.documents import (
    Document,
    ImageFacts,
    Mark,
    check_known,
    list_marks,
    make_document,
    parse_label,
    read_facts,
)
from kneebundle.exchange.images import Images
from kneebundle.io.dicom_pixels import decode_pixels
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.reports.dicom_source import MAKER, read_source, suppress_warnings
from kneebundle.reports.points import clip_line, round_value

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["read_gsps", "write_gsps"]

_SERIES_NUMBER = 9003
_HALF_PIXEL = 0.5
_CROSS_MM = 1.5
_LAYERS = {
    "LANDMARKS": ("Landmarks found by kneebundle", (255, 220, 0)),
    "CROSSES": ("Crosses on the landmarks", (255, 220, 0)),
    "LINES": ("Outlines of the joint, or lines of the plan", (80, 200, 255)),
}


def write_gsps(document: Document, source: Path, path: Path, pseudonyms: Pseudonyms | None = None) -> None:
    """Write a presentation state of an image, atomically.

    Args:
        document: of the image, with points.
        source: its DICOM file.
        path: where to write.
        pseudonyms: that stand for the identities of the image.

    Raises:
        KneeBundleError: if there is no point, or the source does not say which image it is.
    """
    marks = list_marks(document)
    if not marks:
        raise KneeBundleError("there is no point to draw", document["image"]["path"])
    with suppress_warnings(), write_atomically(path) as temporary:
        _make_state(document, marks, source, pseudonyms).save_as(temporary, enforce_file_format=True)


def read_gsps(path: Path, images: Images) -> list[Document]:
    """Read the landmarks of a presentation state that :func:`write_gsps` wrote; other objects in it are left out.

    Raises:
        KneeBundleError: if it is something else.
    """
    from pydicom import dcmread

    try:
        with suppress_warnings():
            state = dcmread(path)
            uid = str(state.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID)
            graphics = [
                graphic
                for annotation in state.get("GraphicAnnotationSequence", ())
                for graphic in annotation.get("GraphicObjectSequence", ())
                if graphic.GraphicType == "POINT"
            ]
            marks = [mark for graphic in graphics for mark in _read_point(graphic)]
    except Exception as error:  # whatever a damaged file makes pydicom say
        raise KneeBundleError(f"not a presentation state with graphics ({type(error).__name__})", path) from error
    check_known(len(graphics), marks, path)
    file = images.find("", uid)
    name = path.stem.removesuffix("_gsps")
    found = images.find(name) if file is None else file
    facts = ImageFacts(path=name if found is None else str(found), sop_instance_uid=uid)
    return [make_document(images.complete(facts), marks)]


def _read_point(graphic: Dataset) -> Iterator[Mark]:
    """The landmark that a POINT is; none where it is another one."""
    named = parse_label(str(graphic.get("TrackingID", "")))
    if named is not None:
        if graphic.GraphicAnnotationUnits != "PIXEL":
            raise ValueError(f"units {graphic.GraphicAnnotationUnits}, PIXEL is needed")
        x, y = (round_value(float(value) - _HALF_PIXEL) for value in graphic.GraphicData)
        yield Mark(*named, x, y)


def _make_state(document: Document, marks: Sequence[Mark], source: Path, pseudonyms: Pseudonyms | None) -> Any:
    import highdicom as hd

    image = read_source(source, pseudonyms)
    models = document["models"] or [{"sha256": MAKER}]
    layers = {
        name: hd.pr.GraphicLayer(name, number, description, hd.color.CIELabColor.from_rgb(*color))
        for number, (name, (description, color)) in enumerate(_LAYERS.items(), start=1)
    }
    graphics = {
        "LANDMARKS": [_make_point(mark) for mark in marks],
        "CROSSES": list(_make_crosses(document, marks, image)),
        "LINES": list(_make_lines(document, marks)),
    }
    annotations = [
        hd.pr.GraphicAnnotation([image], layers[name], graphic_objects=objects)
        for name, objects in graphics.items()
        if objects
    ]
    common = {
        "referenced_images": [image],
        "series_instance_uid": hd.UID(),
        "series_number": _SERIES_NUMBER,
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": __version__,
        "device_serial_number": models[-1]["sha256"][:16],
        "content_label": "KNEE_LANDMARKS",
        "content_description": "Landmarks of knees (research only)",
        "graphic_annotations": annotations,
        "graphic_layers": [layers[name] for name, objects in graphics.items() if objects],
        "series_description": "Landmarks drawn on the image (research only)",
    }
    if image.get("SamplesPerPixel", 1) > 1:  # a grey radiograph that was saved in colour
        profile = image.get("ICCProfile") or _make_srgb_profile()
        state: Any = hd.pr.ColorSoftcopyPresentationState(icc_profile=profile, **common)
    else:
        inverse = image.get("PhotometricInterpretation") == "MONOCHROME1"
        state = hd.pr.GrayscaleSoftcopyPresentationState(
            voi_lut_transformations=_take_window(image, source),
            presentation_lut_transformation=hd.PresentationLUTTransformation("INVERSE" if inverse else "IDENTITY"),
            **common,
        )
    sides = {mark.side for mark in marks}
    state.Laterality = next(iter(sides)) if len(sides) == 1 else None  # empty where both knees are shown
    return state


def _make_srgb_profile() -> bytes:
    """The profile of sRGB as one of an input device, which the standard asks for; both have the same tables."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:12] + b"scnr" + profile[16:]


def _make_point(mark: Mark) -> Any:
    import highdicom as hd

    place = np.array([[mark.x, mark.y]]) + _HALF_PIXEL
    return hd.pr.GraphicObject("POINT", place, "PIXEL", tracking_id=mark.label, tracking_uid=hd.UID())


def _make_crosses(document: Document, marks: Sequence[Mark], image: Dataset) -> Iterator[Any]:
    """Two strokes a landmark, of the same length in mm; none beyond the border of the image."""
    row_mm, column_mm = read_facts(document).spacing_mm or (1.0, 1.0)
    size = np.array([image.Columns, image.Rows], dtype=np.float64)
    for mark in marks:
        place = np.array([mark.x, mark.y]) + _HALF_PIXEL
        for half in (np.array([_CROSS_MM / column_mm, 0.0]), np.array([0.0, _CROSS_MM / row_mm])):
            ends = np.clip([place - half, place + half], 0.0, size)
            if not np.array_equal(*ends):
                yield _make_polyline(ends)


def _make_lines(document: Document, marks: Sequence[Mark]) -> Iterator[Any]:
    """The outlines of each knee's bones between landmarks that are there, or the lines of a plan."""
    for side in ("R", "L"):
        knee = {mark.id: (mark.x, mark.y) for mark in marks if mark.side == side and not mark.is_lateral}
        for _, ids in KNEE_PA.outlines:
            places = [knee[number] for number in ids if number in knee]
            if len(places) > 1:
                yield _make_polyline(np.array(places) + _HALF_PIXEL)
    image = document["image"]
    lines: Mapping[str, Any] = document.get("planning", {}).get("lines", {})
    for line in lines.values():
        size = np.array([image["columns"], image["rows"]], dtype=np.float64)
        ends = clip_line(np.array(line["point_px"]) + _HALF_PIXEL, np.array(line["direction"]), size)
        if ends is not None:
            yield _make_polyline(ends)


def _make_polyline(places: np.ndarray) -> Any:
    import highdicom as hd

    return hd.pr.GraphicObject("POLYLINE", places, "PIXEL")


def _take_window(image: Dataset, source: Path) -> list[Any] | None:
    """Take the first window of an image or, where it has none that can be used, one over all its grey values.

    Args:
        image: its header; a window that cannot be used is taken out of it.
        source: its file.

    Returns:
        None where the image has a table in place of a window, which highdicom takes over.
    """
    import highdicom as hd
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut

    centers, widths = (_list_values(image, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"):
        image.pop(keyword, None)
    if centers and widths and widths[0] > 0:
        center, width = centers[0], widths[0]
    elif "VOILUTSequence" in image:
        return None
    else:
        with suppress_warnings():
            whole = dcmread(source, force=True)
            stored, _ = decode_pixels(whole, 0, source)
            values = apply_modality_lut(stored, whole)
        low, high = float(values.min()), float(values.max())
        center, width = (low + high) / 2, max(high - low, 1.0)
    function = image.get("VOILUTFunction") or None
    return [hd.pr.SoftcopyVOILUTTransformation(center, width, voi_lut_function=function)]


def _list_values(image: Dataset, keyword: str) -> list[float]:
    """The numbers of an attribute; none where it is not there or no number."""
    try:
        value = image.get(keyword)
        return [] if value is None else [float(v) for v in (value if isinstance(value, Sequence) else [value])]
    except (TypeError, ValueError):
        return []
