"""Corrected points as training data: the data sets that the bundles' ``train.json`` take.

Of radiographs from the front: ``images/<stem>_<side>.png``, 140 x 140 mm around the tibial centre at 0.3 mm, and
``landmarks.csv``, as ``stage2/`` of :func:`kneebundle.datasets.prepare_oai` has them. Of lateral ones, in ``lateral/``:
``images/<stem>.png``, ``masks/`` as they were predicted, and ``points.csv``. What is open or rejected is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kneebundle.annotation.corrections import CORRECTIONS_FOLDER, CorrectedPoints, Correction, read_corrections
from kneebundle.annotation.films import PredictedFilm, PredictedFilms
from kneebundle.datasets.knee_pictures import landmark_columns, to_pixels, write_picture
from kneebundle.datasets.lateral_masks import read_mask
from kneebundle.errors import KneeBundleError
from kneebundle.io.data_set_folder import hold_data_set
from kneebundle.io.pseudonyms import open_account_pseudonyms
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import BONES, KNEE_PA, LATERAL_POINTS
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.roi import crop_roi

__all__ = ["ExportSummary", "export_corrections"]

_FOLDERS = ("images", "lateral/images", "lateral/masks")
_TABLES = ("landmarks.csv", "left_out.csv", "lateral/points.csv")
ROI_MM = 140.0
SPACING_MM = 0.3
_POINT_COLUMNS = [f"{name}_{axis}" for name in LATERAL_POINTS for axis in "xy"]


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote.

    Attributes:
        knees: knees from the front in ``landmarks.csv``.
        laterals: lateral radiographs in ``lateral/points.csv``.
        left_out: name and reason of each knee that was not taken; also in ``left_out.csv``.
    """

    knees: int
    laterals: int
    left_out: tuple[tuple[str, str], ...]


def export_corrections(folder: Path, output: Path, images: Path | None = None) -> ExportSummary:
    """Write the accepted and corrected knees of an output folder as data sets for training.

    Knees of the same radiograph, and DICOM images of the same PatientID, share a ``subject_id``, so that none is in
    two folds; of the PatientID only a hash with a secret salt of this account is written.

    Args:
        folder: output folder of a prediction, with ``corrections``.
        output: made if it is not there; what an earlier export wrote is replaced.
        images: folder to look for images in that are no longer where they were.

    Raises:
        KneeBundleError: if there are no corrections, or none that can be used; then no table is written. Or if the
            output folder holds what no export wrote.
    """
    with hold_data_set(output, "export-corrections", {}, _FOLDERS, _TABLES):
        return _export(folder, output, images)


def _export(folder: Path, output: Path, images: Path | None) -> ExportSummary:
    films = PredictedFilms(folder, images)
    known = films.scan()
    knees: list[list[Any]] = []
    laterals: list[list[Any]] = []
    left_out: list[tuple[str, str]] = []
    for correction in read_corrections(folder / CORRECTIONS_FOLDER):
        for item in correction.items:
            name = correction.name if item.side is None else f"{correction.name} {item.side}"
            try:
                _check_usable(item)
                film = known.get(correction.name)
                if film is None:
                    raise KneeBundleError("its prediction is no longer in the folder")
                if correction.lateral is None:
                    knees.append(_write_knee(correction, item, film, films, output))
                else:
                    laterals.append(_write_lateral(correction, item, film, films, output / "lateral"))
            except KneeBundleError as error:
                left_out.append((name, error.reason))
    if not knees and not laterals:
        first = f"; the first, {': '.join(left_out[0])}" if left_out else ""
        raise KneeBundleError(
            f"none of its {len(left_out)} knees can be used; accept or correct some first{first}", folder
        )
    _write_rows(output / "landmarks.csv", landmark_columns(), knees)
    _write_rows(
        output / "lateral" / "points.csv", ["image", "subject_id", "rater", "spacing_mm", *_POINT_COLUMNS], laterals
    )
    write_table(output / "left_out.csv", ["name", "reason"], left_out)
    return ExportSummary(len(knees), len(laterals), tuple(left_out))


def _write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table; one without rows is removed, should an earlier export have written it."""
    if rows:
        write_table(path, columns, rows)
    else:
        path.unlink(missing_ok=True)


def _check_usable(item: CorrectedPoints) -> None:
    if item.status == "rejected":
        raise KneeBundleError(f"rejected: {item.reason}")
    if item.status == "open":
        raise KneeBundleError("open: neither accepted nor rejected yet")
    if item.points is None:
        raise KneeBundleError("it has no points")
    missing = int(np.isnan(item.points).any(axis=1).sum())
    if missing:
        raise KneeBundleError(f"{missing} of its {len(item.points)} points are not visible; training needs all")


def _write_knee(
    correction: Correction, knee: CorrectedPoints, film: PredictedFilm, films: PredictedFilms, output: Path
) -> list[Any]:
    """Write the picture of a knee and give its row of landmarks.csv."""
    radiograph = films.open(film)
    points_mm = _place(knee, radiograph) * _spacing(correction, radiograph)[::-1]
    image = _with_spacing(correction, radiograph).to_metatensor()
    region = crop_roi(image, points_mm[KNEE_PA.center], ROI_MM, SPACING_MM, mode="zeros")
    placed = to_pixels(region, points_mm)
    if (placed < -0.5).any() or (placed > np.array([region.shape[2], region.shape[1]]) - 0.5).any():
        raise KneeBundleError(f"its points do not fit into {ROI_MM:g} mm around the tibial centre; look at them again")
    name = f"{correction.name}_{knee.side}.png"
    (output / "images").mkdir(parents=True, exist_ok=True)
    placed = write_picture(output / "images" / name, region, points_mm)
    subject = _find_subject(correction, radiograph)
    return [name, subject, knee.side, "", SPACING_MM, 0, *placed.ravel().tolist()]


def _write_lateral(
    correction: Correction, item: CorrectedPoints, film: PredictedFilm, films: PredictedFilms, output: Path
) -> list[Any]:
    """Write a lateral radiograph and its masks as displayed, and give its row of points.csv."""
    radiograph = films.open(film)
    row_mm, column_mm = _spacing(correction, radiograph)
    if abs(row_mm / column_mm - 1) > 1e-3:
        raise KneeBundleError(f"its pixels are not square ({row_mm:g} x {column_mm:g} mm); a lateral data set needs it")
    name = f"{correction.name}.png"
    for place in ("images", "masks"):
        (output / place).mkdir(parents=True, exist_ok=True)
    files = film.document["planning"]["masks"]
    if any(file is None for file in files.values()):
        raise KneeBundleError("the prediction wrote no masks of its bones; predict again with pictures")
    shape = (film.document["image"]["rows"], film.document["image"]["columns"])
    for bone in BONES:
        mask = read_mask(films.folder / files[bone], shape) if bone in files else np.zeros(shape, dtype=bool)
        _write_mask(output / "masks" / f"{correction.name}_{bone}.png", radiograph.orientation.apply(mask))
    points = _place(item, radiograph)
    image = _with_spacing(correction, radiograph).to_metatensor()
    placed = write_picture(output / "images" / name, image, points * [column_mm, row_mm])
    subject = _find_subject(correction, radiograph)
    return [name, subject, correction.rater, f"{row_mm:.6g}", *placed.ravel().tolist()]


def _write_mask(path: Path, mask: np.ndarray) -> None:
    with write_atomically(path) as temporary:
        Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(temporary, format="PNG")


def _place(item: CorrectedPoints, radiograph: Radiograph) -> np.ndarray:
    assert item.points is not None
    return radiograph.orientation.points_to_displayed(item.points, radiograph.rows, radiograph.columns)


def _spacing(correction: Correction, radiograph: Radiograph) -> np.ndarray:
    """(row, column) as displayed; that of the prediction, which may be a measuring sphere's."""
    return np.array(radiograph.orientation.pair(correction.spacing_mm))


def _with_spacing(correction: Correction, radiograph: Radiograph) -> Radiograph:
    row_mm, column_mm = _spacing(correction, radiograph)
    return Radiograph(radiograph.pixels, (float(row_mm), float(column_mm)), radiograph.path)


def _find_subject(correction: Correction, radiograph: Radiograph) -> str:
    if radiograph.sop_instance_uid is None:
        return correction.name
    from pydicom import dcmread

    header = dcmread(radiograph.path, stop_before_pixels=True, force=True, specific_tags=["PatientID"])
    patient = str(header.get("PatientID") or "").strip()
    return open_account_pseudonyms().name_patient(patient) or correction.name
