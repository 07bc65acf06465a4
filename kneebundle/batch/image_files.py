"""What the runs of predict and register differ in: how an image is read, and which files are written about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from kneebundle.batch.engine import DEFAULT_FORMATS
from kneebundle.batch.engine import FORMATS as ALL_FORMATS
from kneebundle.batch.request import ImageRequest
from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.formats import FORMATS, Context, write_image
from kneebundle.exchange.images import Images, OneImage
from kneebundle.io.paths import show_path
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import BONES
from kneebundle.radiograph import Radiograph
from kneebundle.registration.model import read_crop
from kneebundle.registration.result import RegistrationResult
from kneebundle.reports.csv_tables import write_images, write_landmarks, write_measurements
from kneebundle.reports.dicom_seg import write_segmentation
from kneebundle.reports.dicom_source import check_source
from kneebundle.reports.dicom_sr import has_content, write_structured_report
from kneebundle.reports.html.index import write_index
from kneebundle.reports.html.pictures import FilmPictures, name_thumbnail, write_thumbnail
from kneebundle.reports.html.study import write_study_page
from kneebundle.reports.json_report import read_document, to_document, write_document
from kneebundle.reports.lateral_overlay import write_lateral_overlay
from kneebundle.reports.masks import mask_name, write_masks
from kneebundle.reports.overlay import write_overlay
from kneebundle.reports.registration_report import read_registration, write_registration
from kneebundle.results import LateralResult, Prediction

__all__ = ["ImageFiles", "PredictionFiles", "RegisteredCropFiles"]


_DICOM = ("seg", "sr", "gsps")
_EXCHANGED = ("gsps", "slicer", "pts")
"""Formats of other programs with files for each image."""
_EXCHANGED_TABLES = ("via", "coco", "label-studio")
"""Formats of other programs with one file for all images."""
_TABLES: Mapping[str, tuple[str, ...]] = {
    "csv": ("landmarks.csv", "measurements.csv", "images.csv"),
    "html": ("index.html",),
    "via": ("via.csv",),
    "coco": ("coco.json",),
    "label-studio": ("label_studio.json",),
}
"""Files about all images, by format."""


class ImageFiles(Protocol):
    """How an image of a run is read, and the files about it.

    One of them is the record, a JSON document with the image's path. It is written last, so that a record means that
    all files are there.

    What :meth:`write` and :meth:`write_tables` write is what the output folder takes for its own; nothing else is to be
    kept up to date about it but the names below.

    Attributes:
        command: that the output folder belongs to.
        formats: what is written; with ``"csv"`` the run writes tables over all predictions, without ``"json"`` the
            records are hidden.
        pseudonyms: that stand for paths and identities; None: these are written as they are.
    """

    command: str
    formats: tuple[str, ...]
    pseudonyms: Pseudonyms | None

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read an image from its absolute path.

        Raises:
            KneeBundleError: if it cannot be used, or its files could not be written.
        """
        ...

    def write(
        self, result: Any, source: Path, record: Path, folder: Path, name: str
    ) -> dict[str, KneeBundleError] | None:
        """Write the files of a result. The folder is an empty one; they are put in place when all are written.

        Args:
            result: of the pipeline.
            source: the file of the image.
            record: where the record goes.
            folder: where the other files go.
            name: what their names begin with.

        Returns:
            By format, why it could not be written while the others could; None: all of them are.
        """
        ...

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read a record; None where there is none, or the file is not one."""
        ...

    def list_planned(self, name: str) -> list[str]:
        """Names of all files that there may be beside a record in the formats that are wanted."""
        ...

    def list_possible(self, name: str) -> list[str]:
        """Names of all files that there may be beside a record in any format."""
        ...

    def list_tables(self) -> list[str]:
        """Names of the files about all images together that are wanted."""
        ...

    def write_tables(
        self,
        records: Mapping[str, dict[str, Any]],
        errors: Sequence[tuple[str, str]],
        folder: Path,
        also: Collection[str] = (),
    ) -> None:
        """Write what is about all images together, at the end of a run.

        Args:
            records: by name, in the order of the tables.
            errors: path and reason of each image without a result.
            folder: where the files go.
            also: files that an earlier run wrote; those of other formats are brought up to date, too.
        """
        ...


class PredictionFiles:
    """The files of ``kneebundle predict``.

    Args:
        formats: of :data:`kneebundle.batch.engine.FORMATS`.

    Example:
        >>> PredictionFiles(("json", "csv")).list_tables()
        ['landmarks.csv', 'measurements.csv', 'images.csv']
    """

    command = "predict"

    def __init__(self, formats: tuple[str, ...] = DEFAULT_FORMATS) -> None:
        self.formats = formats
        self.pseudonyms: Pseudonyms | None = None

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read a radiograph, see :func:`kneebundle.io.reading.read_radiograph`."""
        image = read_radiograph(
            file, spacing_mm=request.spacing_mm, side=request.side, view=request.view, uncalibrated=True
        )
        source = request.spacing_source if image.spacing_source == "argument" else image.spacing_source
        known = dataclasses.replace(image, path=show_path(request.path), spacing_source=source)
        return _deidentify(known, file, self.pseudonyms)

    def write(
        self, result: Prediction, source: Path, record: Path, folder: Path, name: str
    ) -> dict[str, KneeBundleError]:
        """Write the files of a prediction in the formats that are wanted.

        Returns:
            Why a DICOM format could not be written; it costs no other one.
        """
        masks: Mapping[str, str] = {}
        if isinstance(result, LateralResult):
            if "png" in self.formats:
                masks = write_masks(result, folder, name)
                write_lateral_overlay(result, folder / f"{name}.png")
        elif "png" in self.formats:
            write_overlay(result, folder / f"{name}.png")
        document = to_document(result, masks)
        writers: dict[str, Callable[[], object]] = {}
        if "seg" in self.formats and isinstance(result, LateralResult) and result.bones:
            writers["seg"] = lambda: write_segmentation(result, source, folder / f"{name}_seg.dcm", self.pseudonyms)
        if "sr" in self.formats and has_content(document):
            report = folder / f"{name}_sr.dcm"
            writers["sr"] = lambda: write_structured_report(document, source, report, self.pseudonyms)
        for exchanged in self._list_exchanged():
            context = Context(OneImage(source), pseudonyms=self.pseudonyms)
            writers[exchanged] = partial(write_image, exchanged, document, folder, name, context)
        uid = result.radiograph.sop_instance_uid
        problems = {kind: problem for kind, write in writers.items() if (problem := _try(kind, write, uid)) is not None}
        if "html" in self.formats:
            _write_page(document, result, folder, name)
        write_document(document, record)
        return problems

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read the JSON document of a prediction; None where there is none."""
        return read_document(path)

    def list_planned(self, name: str) -> list[str]:
        """Names of overlay, masks, DICOM files and pages that there may be in the formats that are wanted."""
        files: dict[str, list[str]] = {
            "png": [f"{name}.png", *(mask_name(name, bone) for bone in BONES)],
            "html": [f"{name}.html", name_thumbnail(name)],
            "slicer": [f"{name}.mrk.json"],
            "pts": [f"{name}{side}.pts" for side in ("", "_R", "_L")],
        }
        files |= {kind: [f"{name}_{kind}.dcm"] for kind in ("seg", "sr", "gsps")}
        return [file for kind in self.formats for file in files.get(kind, ())]

    def list_possible(self, name: str) -> list[str]:
        """Names of overlay, masks, DICOM files and pages, whatever the formats."""
        return PredictionFiles(ALL_FORMATS).list_planned(name)

    def list_tables(self) -> list[str]:
        """Names of the tables, the index of the pages and the files of other programs that are wanted."""
        return [file for kind in self.formats for file in _TABLES.get(kind, ())]

    def write_tables(
        self,
        records: Mapping[str, dict[str, Any]],
        errors: Sequence[tuple[str, str]],
        folder: Path,
        also: Collection[str] = (),
    ) -> None:
        """Write the tables, the index of the pages and the files of other programs that are wanted."""
        kinds = {kind for kind, files in _TABLES.items() if kind in self.formats or set(files) & set(also)}
        if "csv" in kinds:
            write_landmarks(records.values(), folder / "landmarks.csv")
            write_measurements(records.values(), folder / "measurements.csv")
            write_images(records.values(), errors, folder / "images.csv")
        for exchanged in _EXCHANGED_TABLES:
            if exchanged in kinds:
                FORMATS[exchanged].write(list(records.values()), folder / _TABLES[exchanged][0], Context(Images()))
        if "html" in kinds:
            write_index(records, errors, folder)

    def _list_exchanged(self) -> list[str]:
        """The formats of other programs with files for each image that are wanted."""
        return [name for name in _EXCHANGED if name in self.formats]


def _deidentify(radiograph: Radiograph, file: Path, pseudonyms: Pseudonyms | None) -> Radiograph:
    """Put pseudonyms in place of a radiograph's UID and of what its notes may say of its file."""
    if pseudonyms is None:
        return radiograph
    uid = radiograph.sop_instance_uid
    return dataclasses.replace(
        radiograph,
        sop_instance_uid=pseudonyms.name_uid(uid) if uid else uid,
        notes=tuple(pseudonyms.clean(note, file) for note in radiograph.notes),
    )


def _try(kind: str, write: Callable[[], object], sop_instance_uid: str | None) -> KneeBundleError | None:
    """Write a format, or say why it cannot be written. A full disk is no matter of one format."""
    unfit = check_source(sop_instance_uid) if kind in _DICOM else None
    if unfit is not None:
        return KneeBundleError(unfit, field="formats")
    try:
        write()
    except OSError:
        raise
    except KneeBundleError as error:
        return error
    except Exception as error:  # whatever the file of a hospital makes highdicom say
        said = f"the format {kind} could not be written ({type(error).__name__}: {in_brief(error)})"
        return KneeBundleError(said, field="formats")
    return None


def _write_page(document: dict[str, Any], result: Prediction, folder: Path, name: str) -> None:
    pictures = FilmPictures(result.radiograph)
    masks = {bone: result.masks[bone] for bone in result.bones} if isinstance(result, LateralResult) else {}
    write_thumbnail(pictures, folder / name_thumbnail(name))
    write_study_page(document, result.radiograph, folder / f"{name}.html", masks, pictures)


class RegisteredCropFiles:
    """The files of ``kneebundle register``: the transform as JSON, the registered crop, and both crops together."""

    command = "register"
    formats: tuple[str, ...] = ("json", "png")

    def __init__(self) -> None:
        self.pseudonyms: Pseudonyms | None = None

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read a crop; it needs no size of a pixel."""
        image = dataclasses.replace(read_crop(file, request.side, request.spacing_mm), path=show_path(request.path))
        return _deidentify(image, file, self.pseudonyms)

    def write(self, result: RegistrationResult, source: Path, record: Path, folder: Path, name: str) -> None:
        """Write the files of a registration."""
        write_registration(result, folder, name)

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read the JSON document of a registration; None where there is none."""
        return read_registration(path)

    def list_planned(self, name: str) -> list[str]:
        """Names of the pictures."""
        return self.list_possible(name)

    def list_possible(self, name: str) -> list[str]:
        """Names of the pictures."""
        return [f"{name}.png", f"{name}_before_after.png"]

    def list_tables(self) -> list[str]:
        """None: there are no tables over all crops."""
        return []

    def write_tables(
        self,
        records: Mapping[str, dict[str, Any]],
        errors: Sequence[tuple[str, str]],
        folder: Path,
        also: Collection[str] = (),
    ) -> None:
        """Write nothing: there are no tables over all crops."""
