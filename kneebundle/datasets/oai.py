"""The Osteoarthritis Initiative's bilateral radiographs and KNEEL's annotations made into the two data sets of KNEEL.

The OAI's folder holds ``contents.csv`` with, for each series, ``ParticipantID``, ``Folder`` and ``SeriesDescription``;
each folder holds one DICOM file named ``001``. The data sets are

- ``stage1/``: the half of the film that shows the knee, at 1 mm, with the tibial centre as the one landmark;
- ``stage2/``: 140 x 140 mm around the tibial centre, at 0.3 mm, with the 16 landmarks,

each with ``images/<subject><side>.png``, 8 bits and not mirrored, and ``landmarks.csv`` with the columns ``image,
subject_id, side, kl, spacing_mm, inverted, x0, y0 ..``, points in pixels of the PNG.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.datasets.knee_pictures import landmark_columns, to_pixels, write_picture
from kneebundle.datasets.kneel_annotations import ANNOTATION_MM, Annotation, read_annotations
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import read_table, write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.transforms.resample import resample_to_spacing
from kneebundle.transforms.roi import crop_roi

__all__ = ["OaiSummary", "prepare_oai"]

SERIES = "Bilateral PA Fixed Flexion Knee"
HALF_MM = 1.0
ROI_SIZE_MM = 140.0
_STAGES = {"stage1": 1, "stage2": len(KNEE_PA)}


@dataclass(frozen=True)
class OaiSummary:
    """What a preparation did.

    Attributes:
        done: knees that were written.
        done_before: knees that an earlier run had written.
        errors: path (or subject) and reason of each film that could not be used.
    """

    done: int
    done_before: int
    errors: tuple[tuple[str, str], ...]


def prepare_oai(oai: Path, annotations: Path, output: Path, workers: int = 1, progress: bool = False) -> OaiSummary:
    """Make both data sets. A later run resumes an earlier one, and tries the films with errors again.

    Args:
        oai: folder with ``contents.csv``.
        annotations: KNEEL's ``kneel_oai_annotations.csv``.
        output: made if it is not there; ``records/`` in it says what is done, ``errors.csv`` lists the errors.
        workers: processes; 1: this one.
        progress: show a bar, where stderr is a terminal.

    Returns:
        What was done.

    Raises:
        KneeBundleError: if a table cannot be used, or ``contents.csv`` lists none of the annotated subjects.
    """
    from tqdm import tqdm

    knees = read_annotations(annotations)
    subjects: defaultdict[str, list[Annotation]] = defaultdict(list)
    for knee in knees.values():
        subjects[knee.subject].append(knee)
    films = _list_films(oai)
    if not films.keys() & subjects.keys():
        raise KneeBundleError(f"lists no '{SERIES}' of the {len(subjects)} annotated subjects", oai / "contents.csv")
    _make_folders(output)
    todo = [subject for subject in subjects if not _record_path(output, subject).exists()]
    errors: dict[str, tuple[str, str]] = {}
    tasks = []
    for subject in todo:
        if subject in films:
            tasks.append((subject, films[subject], subjects[subject], output))
        else:
            errors[subject] = (subject, f"contents.csv lists no '{SERIES}' of this subject")
    with tqdm(total=len(tasks), unit="film", disable=None if progress else True) as bar:
        for subject, reason in _prepare_films(tasks, workers):
            if reason is not None:
                errors[subject] = (str(films[subject]), reason)
            bar.update()
    listed = tuple(errors[subject] for subject in subjects if subject in errors)
    _write_tables(output, list(subjects), listed)
    done_before = sum(len(subjects[s]) for s in subjects if s not in todo)
    return OaiSummary(sum(len(subjects[s]) for s in todo if s not in errors), done_before, listed)


_Task = tuple[str, Path, Sequence[Annotation], Path]


def _prepare_films(tasks: Sequence[_Task], workers: int) -> Iterator[tuple[str, str | None]]:
    """Give each subject and its error, or None, as they are done."""
    if workers <= 1:
        yield from map(_prepare_film, tasks)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for future in as_completed([pool.submit(_prepare_film, task) for task in tasks]):
            yield future.result()


def _prepare_film(task: _Task) -> tuple[str, str | None]:
    """Write the pictures of a film's annotated knees and then its record; give the subject and the error, or None."""
    subject, path, knees, output = task
    try:
        image = read_radiograph(path, view="pa-bilateral").to_metatensor()
        rows = {stage: [_write_knee(stage, image, knee, output) for knee in knees] for stage in _STAGES}
        with write_atomically(_record_path(output, subject)) as temporary:
            temporary.write_text(json.dumps(rows), encoding="utf-8")
    except KneeBundleError as error:
        return subject, error.reason
    except Exception as error:  # one film must not stop a run over thousands
        return subject, " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return subject, None


def _write_knee(stage: str, film: MetaTensor, knee: Annotation, output: Path) -> list[Any]:
    """Write the picture of a stage and give its row of landmarks.csv."""
    points_mm = _film_points_mm(film, knee)
    if stage == "stage1":
        image = _cut_half(film, points_mm[KNEE_PA.center])
        points_mm = points_mm[[KNEE_PA.center]]
        spacing_mm = HALF_MM
    else:
        image = crop_roi(film, points_mm[KNEE_PA.center], ROI_SIZE_MM, ANNOTATION_MM, mode="zeros")
        spacing_mm = ANNOTATION_MM
    name = f"{knee.subject}{knee.side}.png"
    points = write_picture(output / stage / "images" / name, image, points_mm)
    return [name, knee.subject, knee.side, knee.grade, spacing_mm, 0, *points.ravel().tolist()]


def _film_points_mm(film: MetaTensor, knee: Annotation) -> np.ndarray:
    """(16, 2) x, y in mm; the annotation's pixels are those of the film at 0.3 mm, aligned at its borders.

    Raises:
        KneeBundleError: if a point lies outside the film: it is another film than the annotated one.
    """
    spacing = np.diagonal(np.asarray(film.affine))[1::-1]
    points = (knee.film_points + 0.5) * ANNOTATION_MM - 0.5 * spacing
    size = np.array([film.shape[2], film.shape[1]]) * spacing
    if (points < -0.5 * spacing).any() or (points > size - 0.5 * spacing).any():
        found = f"the film is {size[0]:.0f} x {size[1]:.0f} mm, and landmarks of knee {knee.side} lie outside"
        raise KneeBundleError(f"{found}; it is not the annotated film, give the baseline visit")
    return points


def _cut_half(film: MetaTensor, center_mm: np.ndarray) -> MetaTensor:
    """Cut out the half of the film that holds a point, at 1 mm."""
    middle = film.shape[2] // 2
    right = to_pixels(film, center_mm[None])[0, 0] >= middle
    pixels = film.as_tensor()
    half = pixels[..., middle:] if right else pixels[..., :middle]
    affine = torch.as_tensor(film.affine, dtype=torch.float64).clone()
    if right:
        affine[:3, 3] += affine[:3, 1] * middle
    return resample_to_spacing(MetaTensor(half, affine=affine), (HALF_MM, HALF_MM))


def _list_films(oai: Path) -> Mapping[str, Path]:
    """Find the first film of the wanted series of each subject."""
    contents = oai / "contents.csv"
    films: dict[str, Path] = {}
    for row in read_table(contents, ["ParticipantID", "Folder", "SeriesDescription"]):
        if row["SeriesDescription"] == SERIES:
            films.setdefault(row["ParticipantID"], oai / row["Folder"] / "001")
    return films


def _make_folders(output: Path) -> None:
    for folder in ("records", *(f"{stage}/images" for stage in _STAGES)):
        (output / folder).mkdir(parents=True, exist_ok=True)


def _record_path(output: Path, subject: str) -> Path:
    return output / "records" / f"{subject}.json"


def _write_tables(output: Path, subjects: Sequence[str], errors: Sequence[tuple[str, str]]) -> None:
    """Write both landmarks.csv from the records, in the order of the annotations."""
    records = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (_record_path(output, s) for s in subjects)
        if path.exists()
    ]
    for stage, count in _STAGES.items():
        rows = [row for record in records for row in record[stage]]
        write_table(output / stage / "landmarks.csv", landmark_columns(count), rows)
    write_table(output / "errors.csv", ["path", "reason"], errors)
