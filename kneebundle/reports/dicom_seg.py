"""Write the bones of a lateral film as a DICOM segmentation object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebundle import __version__
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.writing import write_atomically
from kneebundle.reports.dicom_source import MAKER, read_source, suppress_warnings
from kneebundle.reports.masks import get_stored_masks
from kneebundle.results import LateralResult, ModelInfo

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["write_segmentation"]

_SERIES_NUMBER = 9001
_SPACING = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def write_segmentation(result: LateralResult, source: Path, path: Path, pseudonyms: Pseudonyms | None = None) -> None:
    """Write the bones that were found as a SEG: binary, a segment a bone, overlapping as bones do in a radiograph.

    It refers to the DICOM image of the film, lies pixel on pixel with it, and belongs to its patient and study, whose
    attributes are copied as the standard demands. The size of a pixel is left to that image, as the standard allows
    where a segmentation is derived from one: highdicom reads it only beside a slice thickness, which a radiograph does
    not have.

    Args:
        result: of a lateral film on which at least one bone was found.
        source: its DICOM file.
        path: where to write, atomically.
        pseudonyms: that stand for the identities of the image.

    Raises:
        KneeBundleError: if the source does not say which image it is.
    """
    image = read_source(source, pseudonyms)
    for keyword in _SPACING:
        image.pop(keyword, None)
    with suppress_warnings(), write_atomically(path) as temporary:
        _make_segmentation(result, image).save_as(temporary, enforce_file_format=True)


def _make_segmentation(result: LateralResult, image: Dataset) -> Any:
    import highdicom as hd

    masks = get_stored_masks(result)
    model = result.models[0]
    segments = [_describe_segment(number, bone, model) for number, bone in enumerate(masks, start=1)]
    segmentation = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=np.stack(list(masks.values()), axis=-1)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number=model.sha256[:16],
        content_label="KNEE_BONES",
        content_description="Bones of a lateral knee radiograph",
        omit_empty_frames=False,
        series_description="Bones (research only)",
    )
    segmentation.PatientOrientation = image.get("PatientOrientation")
    return segmentation


def _describe_segment(number: int, bone: str, model: ModelInfo) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name=model.bundle, family=codes.DCM.ArtificialIntelligence, version=model.version
    )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=bone,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=getattr(codes.SCT, bone.capitalize()),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=hd.UID(),
        tracking_id=bone,
    )
