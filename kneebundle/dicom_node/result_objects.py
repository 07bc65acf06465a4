"""From a film to the DICOM objects that are sent about it."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kneebundle import __version__
from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.request import ImageRequest
from kneebundle.dicom_node.secondary_capture import write_secondary_capture
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.reports.dicom_source import MAKER, suppress_warnings
from kneebundle.results import ModelInfo, Prediction

__all__ = ["KINDS", "make_objects", "predict_film", "remove_identity"]

KINDS = ("sr", "gsps", "seg", "sc")
"""What can be sent: structured report, presentation state, segmentation of lateral films, secondary capture."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def predict_film(film: Path, pipeline: Pipeline[Prediction], kinds: Sequence[str]) -> Prediction:
    """Read a film and predict on it.

    Raises:
        KneeBundleError: if it cannot be used, or is one of this program's own objects that came back.
    """
    _check_maker(film)
    request = ImageRequest(Path(film.name))
    radiograph = PredictionFiles(_list_formats(kinds)).read(request, film.absolute())
    result = pipeline.predict_batch([replace(radiograph, path=film.name)])[0]
    if isinstance(result, KneeBundleError):
        raise result
    return result


def make_objects(result: Prediction, film: Path, kinds: Sequence[str], folder: Path) -> tuple[list[str], list[str]]:
    """Write the objects to send about a film, ``<kind>.dcm`` each.

    Their UIDs follow from the film's UID, the networks and this package's version: made again, an object is the same
    instance for a PACS.

    Args:
        result: of the film.
        film: its DICOM file.
        kinds: of :data:`KINDS`; one that has nothing to show is left out.
        folder: an existing one.

    Returns:
        The kinds that were written, and those that could not be.

    Raises:
        KneeBundleError: if none could be.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        workplace = Path(name)
        problems = PredictionFiles(_list_formats(kinds)).write(result, film, workplace / "film.json", workplace, "film")
        if "sc" in kinds:
            write_secondary_capture(workplace / "film.png", film, workplace / "film_sc.dcm")
        written = [kind for kind in kinds if (workplace / f"film_{kind}.dcm").is_file()]
        for kind in written:
            _identify(workplace / f"film_{kind}.dcm", folder / f"{kind}.dcm", kind, film, result.models)
    if problems and not written:
        raise next(iter(problems.values()))
    return written, sorted(problems)


def remove_identity(error: KneeBundleError) -> str:
    """The reason of an error without what it quotes of the file, for logs and the files about failed films.

    Example:
        >>> remove_identity(KneeBundleError("the image is of modality 'CT'; a radiograph is needed", "a.dcm"))
        'the image is of modality ...; a radiograph is needed'
    """
    return _QUOTED.sub("...", error.reason)


def _list_formats(kinds: Sequence[str]) -> tuple[str, ...]:
    return ("json", *(("png",) if "sc" in kinds else ()), *(kind for kind in kinds if kind != "sc"))


def _check_maker(film: Path) -> None:
    """Results of this program that a PACS routes back are no films."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with suppress_warnings():
            header = dcmread(film, force=True, specific_tags=["ManufacturerModelName", "Manufacturer"])
            made_here = {str(header.get("Manufacturer")), str(header.get("ManufacturerModelName"))} == {MAKER}
    except (OSError, InvalidDicomError, ValueError, KeyError, AttributeError, NotImplementedError):
        return  # the reader says what is wrong with it
    if made_here:
        raise KneeBundleError("this is a result of this program, sent back; send it radiographs only", film)


def _identify(made: Path, path: Path, kind: str, film: Path, models: Sequence[ModelInfo]) -> None:
    """Give an object its lasting UIDs."""
    from pydicom import dcmread
    from pydicom.uid import generate_uid

    with suppress_warnings():
        source: Any = dcmread(film, force=True, specific_tags=["SOPInstanceUID"])
        made_by = hashlib.sha256("\n".join(f"{m.bundle} {m.version} {m.sha256}" for m in models).encode()).hexdigest()
        basis = [MAKER, __version__, made_by, str(source.SOPInstanceUID), kind]
        dataset = dcmread(made)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[*basis, "instance"])
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*basis, "series"])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path, enforce_file_format=True)
