"""From the films of the OAI to a training: what is said of a patient is in none of the files, logs and events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from kneebundle.datasets.oai import prepare_oai
from kneebundle.datasets.oai_films import SERIES
from kneebundle.io.tables import write_table
from tests.bundles.bundle_runs import BUNDLES, start
from tests.datasets.test_oai import BOXES, MIRRORED, film_pixels, write_film
from tests.reports.test_dicom_source import fill_with_canaries

pytestmark = pytest.mark.slow

SUBJECTS = range(9000001, 9000007)


def make_tree(folder: Path) -> tuple[Path, Path]:
    """Films as the OAI has them, with a text of its own in every attribute that can hold one."""
    rows = []
    for subject in SUBJECTS:
        film = folder / f"oai/0.C.2/{subject}/20050921/00391503/001"
        film.parent.mkdir(parents=True)
        write_film(film, film_pixels())
        dataset = dcmread(film)
        fill_with_canaries(dataset)
        dataset.PatientID, dataset.SeriesDescription = str(subject), SERIES
        dataset.save_as(film)
        for side, box in BOXES.items():
            cells = [",".join(map(str, np.ravel(part))) for part in (MIRRORED[:9], MIRRORED[9:], box, box[:2] + 233)]
            rows.append([subject, side, 1, *cells])
    columns = ["subject_id", "side", "kl", "tibia", "femur", "bbox", "center"]
    write_table(folder / "ann.csv", columns, rows)
    return folder / "oai", folder / "ann.csv"


def test_no_file_of_data_set_and_training_tells_of_the_patient(
    tmp_path: Path, repository: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tree, annotations = make_tree(tmp_path)
    assert prepare_oai(tree, annotations, tmp_path / "data").done == 2 * len(SUBJECTS)
    bundle = repository / "bundles" / "knee_landmark_scn"
    settings = {**BUNDLES[bundle.name].small, "dataset_dir": str(tmp_path / "data" / "stage2")}
    start(bundle, "training", ["train.json"], output_dir=str(tmp_path / "run"), **settings)
    events = list((tmp_path / "run" / "tensorboard").rglob("events*"))
    assert events
    written = [path for name in ("data", "run") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert [path.name for path in written if b"CANARY" in path.read_bytes()] == []
    said = capfd.readouterr()
    assert "CANARY" not in caplog.text + said.out + said.err
