"""What the runs of predict and register differ in: how an image is read, and which files are written about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from kneebundle.batch.engine import DEFAULT_FORMATS
from kneebundle.batch.request import ImageRequest
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import BONES
from kneebundle.radiograph import Radiograph
from kneebundle.registration.model import read_crop
from kneebundle.registration.result import RegistrationResult
from kneebundle.reports.dicom_seg import write_segmentation
from kneebundle.reports.dicom_source import check_source
from kneebundle.reports.dicom_sr import has_content, write_structured_report
from kneebundle.reports.json_report import read_document, to_document, write_document
from kneebundle.reports.lateral_overlay import write_lateral_overlay
from kneebundle.reports.masks import mask_name, write_masks
from kneebundle.reports.overlay import write_overlay
from kneebundle.reports.registration_report import read_registration, write_registration
from kneebundle.results import LateralResult, Prediction

__all__ = ["ImageFiles", "PredictionFiles", "RegisteredCropFiles"]


class ImageFiles(Protocol):
    """How an image of a run is read, and the files about it.

    One of them is the record, a JSON document with the image's path. It is written last, so that a record means that
    all files are there.

    Attributes:
        formats: what is written; with ``"csv"`` the run writes tables over all predictions, without ``"json"`` the
            records are hidden.
    """

    formats: tuple[str, ...]

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read an image from its absolute path.

        Raises:
            KneeBundleError: if it cannot be used, or its files could not be written.
        """
        ...

    def write(self, result: Any, source: Path, record: Path, folder: Path, name: str) -> None:
        """Write the files of a result, each whole or not at all.

        Args:
            result: of the pipeline.
            source: the file of the image.
            record: where the record goes.
            folder: where the other files go.
            name: what their names begin with.
        """
        ...

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read a record; None where there is none, or the file is not one."""
        ...

    def list_expected(self, record: Mapping[str, Any], name: str) -> list[str]:
        """Names of the files that are there beside the record if the image is done."""
        ...

    def list_possible(self, name: str) -> list[str]:
        """Names of all files that there may be beside a record."""
        ...


class PredictionFiles:
    """The files of ``kneebundle predict``.

    Args:
        formats: of :data:`kneebundle.batch.engine.FORMATS`.

    Example:
        >>> PredictionFiles(("json", "png")).list_expected({"knees": []}, "knee")
        ['knee.png']
    """

    def __init__(self, formats: tuple[str, ...] = DEFAULT_FORMATS) -> None:
        self.formats = formats

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read a radiograph, see :func:`kneebundle.io.reading.read_radiograph`."""
        image = read_radiograph(
            file, spacing_mm=request.spacing_mm, side=request.side, view=request.view, uncalibrated=True
        )
        self._check_dicom(image)
        source = request.spacing_source if image.spacing_source == "argument" else image.spacing_source
        return dataclasses.replace(image, path=str(request.path), spacing_source=source)

    def write(self, result: Prediction, source: Path, record: Path, folder: Path, name: str) -> None:
        """Write the files of a prediction in the formats that are wanted.

        Raises:
            KneeBundleError: if a DICOM report cannot refer to the image.
        """
        masks: Mapping[str, str] = {}
        if isinstance(result, LateralResult):
            for bone in BONES:  # an earlier prediction may have found more of them
                (folder / mask_name(name, bone)).unlink(missing_ok=True)
            if "png" in self.formats:
                masks = write_masks(result, folder, name)
                write_lateral_overlay(result, folder / f"{name}.png")
            if "seg" in self.formats and result.bones:
                write_segmentation(result, source, folder / f"{name}_seg.dcm")
        elif "png" in self.formats:
            write_overlay(result, folder / f"{name}.png")
        document = to_document(result, masks)
        if "sr" in self.formats and has_content(document):
            write_structured_report(document, source, folder / f"{name}_sr.dcm")
        write_document(document, record)

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read the JSON document of a prediction; None where there is none."""
        return read_document(path)

    def list_expected(self, record: Mapping[str, Any], name: str) -> list[str]:
        """Names of overlay, masks and DICOM files, where they are wanted and there is something to put in."""
        masks = record.get("planning", {}).get("masks", {})
        files = []
        if "png" in self.formats:
            files += [f"{name}.png", *(mask_name(name, bone) for bone in masks)]
        if "seg" in self.formats and masks:
            files.append(f"{name}_seg.dcm")
        if "sr" in self.formats and has_content(record):
            files.append(f"{name}_sr.dcm")
        return files

    def list_possible(self, name: str) -> list[str]:
        """Names of overlay, masks and DICOM files, whatever the formats and the image."""
        return [f"{name}.png", *(mask_name(name, bone) for bone in BONES), f"{name}_seg.dcm", f"{name}_sr.dcm"]

    def _check_dicom(self, image: Radiograph) -> None:
        """Raise an error where a DICOM format is wanted that cannot refer to this image."""
        if "sr" in self.formats or ("seg" in self.formats and image.view == "lateral"):
            problem = check_source(image.sop_instance_uid)
            if problem is not None:
                raise KneeBundleError(problem, image.path, "formats")


class RegisteredCropFiles:
    """The files of ``kneebundle register``: the transform as JSON, the registered crop, and both crops together."""

    formats: tuple[str, ...] = ("json", "png")

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read a crop; it needs no size of a pixel."""
        return dataclasses.replace(read_crop(file, request.side, request.spacing_mm), path=str(request.path))

    def write(self, result: RegistrationResult, source: Path, record: Path, folder: Path, name: str) -> None:
        """Write the files of a registration."""
        write_registration(result, folder, name)

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read the JSON document of a registration; None where there is none."""
        return read_registration(path)

    def list_expected(self, record: Mapping[str, Any], name: str) -> list[str]:
        """Names of the pictures."""
        return self.list_possible(name)

    def list_possible(self, name: str) -> list[str]:
        """Names of the pictures."""
        return [f"{name}.png", f"{name}_before_after.png"]
