"""The public knee crops and KNEEL's annotations put together into a data set of 16 landmarks a knee.

What a user gets first:

- the crops: Chen, "Knee Osteoarthritis Severity Grading Dataset", Mendeley Data V1 (2018), doi 10.17632/56rmx5bjcr.1,
  CC BY 4.0: the 224 x 224 PNGs named like ``9001695L.png``;
- the annotations: ``annotations/bf_landmarks_1_0.3.csv`` of https://github.com/MIPT-Oulu/KNEEL, Tiulpin et al., ICCVW
  2019, doi 10.1109/ICCVW.2019.00046.

``fits.csv`` beside this module says for 500 of the crops the scale and where the tibial centre lies. It and the
annotation give the points: (annotation - annotation of landmark 4) x 0.3 mm x px_per_mm + (x4, y4), mirrored back for
left knees.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from kneebundle.datasets.knee_pictures import landmark_columns
from kneebundle.datasets.kneel_annotations import ANNOTATION_MM, Annotation, read_annotations
from kneebundle.errors import KneeBundleError
from kneebundle.io.data_set_folder import hold_data_set
from kneebundle.io.tables import number_rows, parse_number, read_table, write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA

__all__ = ["prepare_crops"]

_FITS = Path(__file__).with_name("fits.csv")
_CROP_PX = 224
_AUTOMATIC = "auto_test"  # the archive's crops that a detector made; the fits are about the others


def prepare_crops(images: Path, annotations: Path, output: Path, fits: Path = _FITS) -> list[tuple[str, str]]:
    """Write ``images/*.png`` and ``landmarks.csv`` into the output folder.

    The columns are ``image, subject_id, side, kl, spacing_mm, inverted, x0, y0 .. x15, y15``; points are pixels of the
    PNG as stored, pixel centres at integers.

    Args:
        images: a folder with the crops, searched recursively, as the archive unpacks or flat.
        annotations: KNEEL's file.
        output: made if it is not there.
        fits: table of the crops that make up the data set; another one for tests.

    Returns:
        Name and reason of the crops that are missing, also in ``errors.csv``; empty when the data set is complete.

    Raises:
        KneeBundleError: if a table cannot be used, none of the crops is in the folder, or the output folder holds what
            this function did not write.
    """
    rows = read_table(fits, ["image", "px_per_mm", "x4_px", "y4_px", "inverted"])
    knees = read_annotations(annotations)
    candidates = _find_crops(images)
    if not any(row["image"] in candidates for row in rows):
        raise KneeBundleError(f"none of the {len(rows)} crops (such as {rows[0]['image']}) is in this folder", images)
    table, errors = [], []
    with hold_data_set(output, "prepare-crops", {}, ("images",), ("landmarks.csv", "errors.csv")):
        target = output / "images"
        target.mkdir(parents=True, exist_ok=True)
        for line, row in number_rows(rows):
            try:
                entry = _make_row(row, line, fits, knees)
                _copy(_choose_crop(row["image"], candidates.get(row["image"], ())), target / row["image"])
                table.append(entry)
            except KneeBundleError as error:
                errors.append((row["image"], error.reason))
        write_table(output / "landmarks.csv", landmark_columns(), table)
        write_table(output / "errors.csv", ["path", "reason"], errors)
    return errors


def _make_row(row: dict[str, str], line: int, fits: Path, knees: Mapping[tuple[str, str], Annotation]) -> list[str]:
    subject, side = Path(row["image"]).stem[:-1], Path(row["image"]).stem[-1]
    knee = knees.get((subject, side))
    if knee is None:
        raise KneeBundleError(f"the annotations have no row for subject {subject}, side {side}; use KNEEL's whole file")
    px_per_mm, x4, y4 = (parse_number(row, column, line, fits) for column in ("px_per_mm", "x4_px", "y4_px"))
    offsets_mm = (knee.points - knee.points[KNEE_PA.center]) * ANNOTATION_MM
    if side == "L":
        offsets_mm = offsets_mm * [-1, 1]
    points = offsets_mm * px_per_mm + [x4, y4]
    values = [f"{value:.2f}" for value in points.ravel()]
    return [row["image"], subject, side, knee.grade, f"{1 / px_per_mm:.5f}", row["inverted"], *values]


def _find_crops(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise KneeBundleError("there is no such folder; unpack the archive of crops and give its folder", folder)
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.png")):
        found[path.name].append(path)
    return dict(found)


def _choose_crop(name: str, files: Sequence[Path]) -> Path:
    """Choose the one picture that the fit is about: of the right size, not cropped by the detector."""
    fitting = [path for path in files if _read_size(path) == (_CROP_PX, _CROP_PX)]
    fitting = [path for path in fitting if _AUTOMATIC not in path.parts] or fitting
    if not fitting:
        found = "has another size" if files else "was not found"
        raise KneeBundleError(
            f"{name} {found}; the crop of {_CROP_PX} x {_CROP_PX} pixels is needed, unpack the whole archive"
        )
    pictures = {path.read_bytes(): path for path in reversed(fitting)}
    if len(pictures) > 1:
        raise KneeBundleError(
            f"there are {len(pictures)} different pictures of this name; give a folder with one of them"
        )
    return fitting[0]


def _read_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        return (0, 0)


def _copy(source: Path, target: Path) -> None:
    with write_atomically(target) as temporary:
        shutil.copyfile(source, temporary)
