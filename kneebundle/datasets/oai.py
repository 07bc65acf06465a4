"""The Osteoarthritis Initiative's bilateral radiographs and KNEEL's annotations made into the two data sets of KNEEL.

Where the films are is told by :mod:`kneebundle.datasets.oai_films`. The data sets are

- ``stage1/``: the half of the film that shows the knee, at 1 mm, with the tibial centre as the one landmark;
- ``stage2/``: 140 x 140 mm around the tibial centre, at 0.3 mm, with the 16 landmarks,

each with ``images/<subject><side>.png``, 8 bits and not mirrored, and ``landmarks.csv`` with the columns ``image,
subject_id, side, kl, spacing_mm, inverted, x0, y0 ..``, points in pixels of the PNG.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.datasets.knee_pictures import landmark_columns, to_pixels, write_picture
from kneebundle.datasets.kneel_annotations import ANNOTATION_MM, Annotation, read_annotations
from kneebundle.datasets.oai_films import OaiFilm, find_films, open_film
from kneebundle.errors import KneeBundleError
from kneebundle.io.file_content import hash_content
from kneebundle.io.folder_lock import check_owner, hold_folder, mark_folder, read_mark, unmark_if_empty
from kneebundle.io.paths import show_path
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table
from kneebundle.io.writing import remove_leftovers, write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.transforms.resample import resample_to_spacing
from kneebundle.transforms.roi import crop_roi

__all__ = ["OaiSummary", "prepare_oai"]

HALF_MM = 1.0
ROI_SIZE_MM = 140.0
_STAGES = {"stage1": 1, "stage2": len(KNEE_PA)}


@dataclass(frozen=True)
class OaiSummary:
    """What a preparation did.

    Attributes:
        done: knees that were written.
        done_before: knees that an earlier run had written.
        made_again: knees among ``done`` that an earlier run had written from another file.
        errors: path (or subject) and reason of each film that could not be used.
    """

    done: int
    done_before: int
    errors: tuple[tuple[str, str], ...]
    made_again: int = 0


def prepare_oai(oai: Path, annotations: Path, output: Path, workers: int = 1, progress: bool = False) -> OaiSummary:
    """Make both data sets. A later run resumes an earlier one, and tries the films with errors again.

    Args:
        oai: folder with the releases, see :func:`kneebundle.datasets.find_films`.
        annotations: KNEEL's ``annotations/bf_landmarks_1_0.3.csv``.
        output: made if it is not there; ``records/`` in it says what is done, ``errors.csv`` lists the errors.
        workers: processes; 1: this one.
        progress: show a bar, where stderr is a terminal.

    Returns:
        What was done.

    Raises:
        KneeBundleError: if a table cannot be used, the folder has none of the annotated subjects, or ``output`` holds
            other data.
    """
    from tqdm import tqdm

    knees = read_annotations(annotations)
    subjects: defaultdict[str, list[Annotation]] = defaultdict(list)
    for knee in knees.values():
        subjects[knee.subject].append(knee)
    films, missing = find_films(oai, subjects)
    with _hold(output, annotations):
        _make_folders(output)
        errors = {subject: (subject, reason) for subject, reason in missing.items()}
        tasks = [(subject, films[subject], subjects[subject], output) for subject in subjects if subject in films]
        counts: Counter[str] = Counter()
        with tqdm(total=len(tasks), unit="film", disable=None if progress else True) as bar:
            for subject, outcome, reason in _prepare_films(tasks, workers):
                counts[outcome] += len(subjects[subject])
                if reason is not None:
                    errors[subject] = (show_path(films[subject].path), reason)
                bar.update()
        listed = tuple(errors[subject] for subject in subjects if subject in errors)
        _write_tables(output, list(subjects), listed)
    return OaiSummary(counts["done"] + counts["again"], counts["before"], listed, counts["again"])


_Task = tuple[str, OaiFilm, Sequence[Annotation], Path]
_Outcome = tuple[str, str, str | None]
"""Subject, one of ``"done"``, ``"again"``, ``"before"``, ``"error"``, and the reason of an error."""


def _prepare_films(tasks: Sequence[_Task], workers: int) -> Iterator[_Outcome]:
    """Give what became of each film, as they are done."""
    if workers <= 1:
        yield from map(_prepare_film, tasks)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for future in as_completed([pool.submit(_prepare_film, task) for task in tasks]):
            yield future.result()


def _prepare_film(task: _Task) -> _Outcome:
    """Write the pictures of a film's annotated knees and then its record, unless that was done from the same file."""
    subject, film, knees, output = task
    try:
        content = hash_content(film.path)
        earlier = _read_record(output, subject)
        if earlier is not None and earlier["film"] == content:
            return subject, "before", None
        with open_film(film) as path:
            image = read_radiograph(path, view="pa-bilateral").to_metatensor()
        rows = {stage: [_write_knee(stage, image, knee, output) for knee in knees] for stage in _STAGES}
        with write_atomically(_record_path(output, subject)) as temporary:
            temporary.write_text(json.dumps({"film": content, **rows}), encoding="utf-8")
    except KneeBundleError as error:
        return subject, "error", error.reason
    except Exception as error:  # one film must not stop a run over thousands
        return subject, "error", " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return subject, "done" if earlier is None else "again", None


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


@contextmanager
def _hold(output: Path, annotations: Path) -> Iterator[None]:
    """Hold the folder alone; what an earlier run made of other annotations is not mixed with this one's."""
    settings = {"annotations": hash_content(annotations)}
    with hold_folder(output), unmark_if_empty(output, ["records", *_STAGES, "errors.csv"]):
        if check_owner(output, "prepare-oai"):
            if (read_mark(output) or {})["settings"] != settings:
                raise KneeBundleError(
                    "this folder holds data sets of other annotations; these need another folder", output, "output"
                )
        elif there := [name for name in ("records", *_STAGES) if (output / name).exists()]:
            raise KneeBundleError(
                f"there is {', '.join(there)} in this folder already, which this version of kneebundle prepare-oai did "
                "not write; it is left alone",
                output,
                "output",
            )
        mark_folder(output, "prepare-oai", settings)
        yield


def _make_folders(output: Path) -> None:
    for folder in ("records", *(f"{stage}/images" for stage in _STAGES)):
        (output / folder).mkdir(parents=True, exist_ok=True)
        remove_leftovers(output / folder, 0)
    for folder in _STAGES:
        remove_leftovers(output / folder, 0)
    remove_leftovers(output, 0)


def _record_path(output: Path, subject: str) -> Path:
    return output / "records" / f"{subject}.json"


def _read_record(output: Path, subject: str) -> dict[str, Any] | None:
    """What was written of a subject; None where nothing was, or where it is damaged."""
    try:
        record = json.loads(_record_path(output, subject).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and all(isinstance(record.get(stage), list) for stage in _STAGES)
    if not whole or not isinstance(record.get("film"), str):
        return None
    pictures = [output / stage / "images" / row[0] for stage in _STAGES for row in record[stage]]
    return record if all(path.is_file() for path in pictures) else None


def _write_tables(output: Path, subjects: Sequence[str], errors: Sequence[tuple[str, str]]) -> None:
    """Write both landmarks.csv from the records, in the order of the annotations."""
    records = [record for subject in subjects if (record := _read_record(output, subject)) is not None]
    for stage, count in _STAGES.items():
        rows = [row for record in records for row in record[stage]]
        write_table(output / stage / "landmarks.csv", landmark_columns(count), rows)
    write_table(output / "errors.csv", ["path", "reason"], errors)
