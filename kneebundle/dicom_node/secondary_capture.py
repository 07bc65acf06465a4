"""A picture of what was found, as a DICOM secondary capture that any viewer shows beside the radiograph."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kneebundle import __version__
from kneebundle.io.writing import write_atomically
from kneebundle.reports.dicom_source import MAKER, read_source, suppress_warnings

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["write_secondary_capture"]

_SERIES_NUMBER = 9004
_TAKEN_OVER = (
    "PatientID PatientName PatientBirthDate PatientSex PatientAge AccessionNumber StudyInstanceUID StudyID StudyDate "
    "StudyTime StudyDescription ReferringPhysicianName BodyPartExamined BurnedInAnnotation LossyImageCompression "
    "LossyImageCompressionRatio LossyImageCompressionMethod"
).split()


def write_secondary_capture(picture: Path, source: Path, path: Path) -> None:
    """Write a picture of a radiograph as a secondary capture of its patient and study, atomically.

    A derived image in colour without a spacing: nothing can be measured on it by mistake.

    Args:
        picture: PNG or another file that Pillow reads.
        source: DICOM file of the radiograph.
        path: where to write.

    Raises:
        KneeBundleError: if the source does not say which image it is.
    """
    from PIL import Image

    image = read_source(source)
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    with suppress_warnings(), write_atomically(path) as temporary:
        _make_capture(pixels, image).save_as(temporary, enforce_file_format=True)


def _make_capture(pixels: np.ndarray, image: Dataset) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    capture = Dataset()
    capture.file_meta = FileMetaDataset()
    capture.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    capture.SpecificCharacterSet = image.SpecificCharacterSet
    for keyword in _TAKEN_OVER:
        if keyword in image:
            capture[keyword] = image[keyword]
    capture.SOPClassUID = SecondaryCaptureImageStorage
    capture.SOPInstanceUID, capture.SeriesInstanceUID = generate_uid(), generate_uid()
    capture.Modality = "OT"
    capture.ConversionType = "WSD"
    capture.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    now = datetime.datetime.now()
    capture.ContentDate = capture.SeriesDate = capture.InstanceCreationDate = now.strftime("%Y%m%d")
    capture.ContentTime = capture.SeriesTime = capture.InstanceCreationTime = now.strftime("%H%M%S")
    capture.SeriesNumber, capture.InstanceNumber = _SERIES_NUMBER, 1
    capture.SeriesDescription = "Landmarks in a picture (research only)"
    capture.DerivationDescription = "Picture of the radiograph with what kneebundle found, for research only"
    capture.Manufacturer = capture.ManufacturerModelName = MAKER
    capture.SecondaryCaptureDeviceManufacturer = MAKER
    capture.SoftwareVersions = __version__
    capture.Laterality, capture.PatientOrientation = None, None
    capture.SourceImageSequence = [_refer_to(image)]
    capture.SamplesPerPixel, capture.PhotometricInterpretation, capture.PlanarConfiguration = 3, "RGB", 0
    capture.Rows, capture.Columns = pixels.shape[:2]
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit, capture.PixelRepresentation = 7, 0
    content = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
    capture.PixelData = content + b"\0" * (len(content) % 2)
    capture["PixelData"].VR = "OB"
    return capture


def _refer_to(image: Dataset) -> Dataset:
    from pydicom import Dataset

    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = [purpose]
    return reference
