"""Standardise the knees of many images, from predictions that are there or by predicting first.

It is a run like any other (:mod:`kneebundle.batch.run`): it resumes, an image that cannot be used is a line in
errors.csv, and the tables are written anew from all records in the folder. A record that was made with other settings
does not count as done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kneebundle.batch.engine import Engine, RunOptions
from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.local_engine import LocalEngine
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, run_batch
from kneebundle.errors import KneeBundleError
from kneebundle.io.paths import find_shown
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.radiograph import Radiograph
from kneebundle.reports.dicom_source import check_source
from kneebundle.reports.json_report import read_document, to_document
from kneebundle.reports.standardized.knees import (
    StandardSettings,
    read_standardized,
    write_knee_table,
    write_region_table,
    write_standardized,
)
from kneebundle.reports.standardized.pictures import PICTURE_SUFFIXES
from kneebundle.reports.standardized.regions import REGION_NAMES
from kneebundle.results import Prediction

__all__ = ["Predicted", "RecordedPipeline", "StandardizedFiles", "find_records", "list_recorded", "standardize_images"]

_PLACES = (".", ".records")
_GIVEN = ("argument", "manifest")
_LOCAL = LocalEngine()
_DEFAULTS = RunOptions()


def find_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Find the predictions in an output folder of ``kneebundle predict``, by the path of the image; maybe none."""
    files = (file for place in _PLACES for file in sorted((folder / place).glob("[!.]*.json")))
    documents = (read_document(file) for file in files)
    return {document["image"]["path"]: document for document in documents if document is not None}


def list_recorded(records: Mapping[str, Mapping[str, Any]]) -> list[ImageRequest]:
    """List the images of predictions, to be read as they were for them."""
    return [_ask_again(document) for document in records.values()]


def standardize_images(
    requests: Sequence[ImageRequest],
    output: Path,
    pipeline: Callable[[], Pipeline[Any]],
    settings: StandardSettings,
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
    made_with: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Standardise the knees of images, as ``kneebundle standardize`` does.

    Args:
        requests: the images.
        output: the output folder; it is made if it is not there.
        pipeline: makes a :class:`RecordedPipeline`, or one that predicts; called only if there is something to do.
        settings: how.
        options: of the run; its formats do not count.
        engine: reads, predicts and writes.
        made_with: what else the predictions depend on, see :func:`kneebundle.batch.made_with.describe_pipeline`.

    Raises:
        KneeBundleError: as :func:`kneebundle.batch.run.predict_images`.
    """
    known = {**(made_with or {}), "settings": settings.to_document()}
    files = StandardizedFiles(settings)

    def make_pipeline() -> Pipeline[Any]:
        made = pipeline()
        return RecordedPipeline(made.records, files.pseudonyms) if isinstance(made, RecordedPipeline) else made

    return run_batch(requests, output, files, make_pipeline, options, engine, known)


@dataclass(frozen=True)
class Predicted:
    """A radiograph with a prediction that was read from its file.

    Attributes:
        radiograph: with the pixel size that the prediction was made with.
        document: of :func:`kneebundle.reports.json_report.to_document`.
    """

    radiograph: Radiograph
    document: Mapping[str, Any]

    @property
    def flagged(self) -> bool:
        """Whether the radiograph or one of its knees has a flag."""
        return bool(self.document["flags"] or any(knee["flags"] for knee in self.document.get("knees", ())))


class RecordedPipeline:
    """Knows the predictions of radiographs from an earlier run.

    Args:
        records: documents by the path of the image.
        pseudonyms: that stand for the paths of the radiographs.
    """

    def __init__(self, records: Mapping[str, Mapping[str, Any]], pseudonyms: Pseudonyms | None = None) -> None:
        self.records = records
        if pseudonyms is not None:
            self.records = {pseudonyms.name_path(find_shown(path)): record for path, record in records.items()}

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[Predicted | KneeBundleError]:
        """The recorded prediction of each radiograph, or an error where the file is no longer the same."""
        return [self._find(radiograph) for radiograph in radiographs]

    def _find(self, radiograph: Radiograph) -> Predicted | KneeBundleError:
        document = self.records.get(radiograph.path)
        if document is None:
            return KneeBundleError("its prediction is no longer found; predict it again", radiograph.path)
        image = document["image"]
        rows, columns = radiograph.orientation.pair((radiograph.rows, radiograph.columns))
        if (rows, columns) != (image["rows"], image["columns"]):
            return KneeBundleError(
                f"the file has {rows} x {columns} pixels and its prediction {image['rows']} x {image['columns']}; "
                "predict it again",
                radiograph.path,
            )
        spacing = cast(tuple[float, float], tuple(radiograph.orientation.pair(tuple(image["spacing_mm"]))))
        known = dataclasses.replace(radiograph, spacing_mm=spacing, spacing_source=image["spacing_source"])
        return Predicted(known, document)


class StandardizedFiles:
    """The files of ``kneebundle standardize``.

    Args:
        settings: how knees are standardised.
    """

    command = "standardize"
    formats: tuple[str, ...] = ("json", "csv")

    def __init__(self, settings: StandardSettings) -> None:
        self.settings = settings
        self.pseudonyms: Pseudonyms | None = None

    def read(self, request: ImageRequest, file: Path) -> Radiograph:
        """Read a radiograph, as for a prediction.

        Raises:
            KneeBundleError: if it cannot be used, or is no DICOM image and DICOM pictures are to be derived from it.
        """
        if not file.exists():
            raise KneeBundleError("this radiograph is not there; start where it was predicted, or put it back", file)
        reader = PredictionFiles(())
        reader.pseudonyms = self.pseudonyms
        image = reader.read(request, file)
        if "dicom" in self.settings.formats and check_source(image.sop_instance_uid) is not None:
            raise KneeBundleError(
                "a DICOM picture is derived from a DICOM image, and this file is none or has no SOPInstanceUID",
                image.path,
                "picture_formats",
            )
        return image

    def write(self, result: Predicted | Prediction, source: Path, record: Path, folder: Path, name: str) -> None:
        """Write the pictures of the knees, and last the document about them."""
        document = result.document if isinstance(result, Predicted) else to_document(result)
        if self.pseudonyms is not None:
            notes = [self.pseudonyms.clean(note, source) for note in document["image"]["notes"]]
            document = {**document, "image": {**document["image"], "notes": notes}}
        write_standardized(document, result.radiograph, self.settings, source, record, folder, name, self.pseudonyms)

    def read_record(self, path: Path) -> dict[str, Any] | None:
        """Read the document about the knees of an image; None where there is none with these settings."""
        return read_standardized(path, self.settings)

    def list_planned(self, name: str) -> list[str]:
        """Names of all pictures that there may be in the formats that are wanted."""
        endings = tuple(PICTURE_SUFFIXES[kind] for kind in self.settings.formats)
        return [file for file in self.list_possible(name) if file.endswith(endings)]

    def list_possible(self, name: str) -> list[str]:
        """Names of all pictures that there may be."""
        parts = itertools.product(("R", "L", "lateral"), ("", *(f"_{region}" for region in REGION_NAMES)))
        stems = [f"{name}_{side}{region}" for side, region in parts]
        return [f"{stem}{suffix}" for stem in stems for suffix in PICTURE_SUFFIXES.values()]

    def list_tables(self) -> list[str]:
        """Names of the tables of knees and regions."""
        return ["standardized.csv", *(["regions.csv"] if self.settings.regions is not None else [])]

    def write_tables(
        self,
        records: Mapping[str, dict[str, Any]],
        errors: Sequence[tuple[str, str]],
        folder: Path,
        also: Collection[str] = (),
    ) -> None:
        """Write standardized.csv and, where there are regions, regions.csv."""
        write_knee_table(records.values(), folder / "standardized.csv")
        if self.settings.regions is not None or "regions.csv" in also:
            write_region_table(records.values(), folder / "regions.csv")


def _ask_again(document: Mapping[str, Any]) -> ImageRequest:
    image = document["image"]
    given = image["spacing_source"] in _GIVEN
    spacing = image["spacing_mm"][0] if given else None
    source = image["spacing_source"] if given else "argument"
    basis = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return ImageRequest(
        find_shown(image["path"]), spacing_mm=spacing, spacing_source=source, view=image["view"], basis=basis
    )
