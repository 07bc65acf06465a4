"""A folder as it comes: bilateral films of different encodings among files that cannot be used."""

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.phantoms.pa.bilateral import BilateralFilms
from kneebundle.training.made_films import knee_images

pytestmark = pytest.mark.slow

SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
)
FILMS = 20
SPACING_MM = 0.4


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty bilateral DICOM films of phantoms and five files that cannot be used."""
    folder = tmp_path_factory.mktemp("archive")
    films = BilateralFilms(knee_images("", "validation"), FILMS, 7, SPACING_MM, implants=0.0)
    (folder / "sub").mkdir()
    for number in range(FILMS):
        film, truth = films[number]
        name = f"film{number:02}" + ("" if number % 3 else ".dcm")
        way: dict[str, Any] = {
            "transfer_syntax": SYNTAXES[number % len(SYNTAXES)],
            "photometric": "MONOCHROME1" if number % 4 == 1 else "MONOCHROME2",
        }
        pixels = np.round(film.pixels).astype(np.uint16)
        write_dicom(folder / ("sub" if number % 2 else "") / name, pixels, film.spacing_mm, view="pa-bilateral", **way)
        np.save(folder.parent / f"truth{number:02}.npy", np.stack([truth.centers_px["R"], truth.centers_px["L"]]))
    (folder / "cut.dcm").write_bytes((folder / "film00.dcm").read_bytes()[:5000])
    (folder / "empty.dcm").write_bytes(b"")
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(folder / "blank.png")
    write_dicom(folder / "no_spacing.dcm", np.arange(90000, dtype=np.uint16).reshape(300, 300) % 4096, None)
    write_dicom(folder / "frames.dcm", np.zeros((3, 300, 300), np.uint16), (0.4, 0.4))
    (folder / "notes.txt").write_text("not an image")
    return folder


def predict(archive: Path, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kneebundle", "predict", str(archive), "-o", str(output), "--formats", "json,csv"]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def tables(output: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in output.iterdir() if path.suffix in (".csv", ".json")}


def test_all_films_are_answered_the_others_listed_and_nothing_is_done_twice(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = predict(archive, output)
    assert f"{FILMS} done" in first.communicate()[0]
    assert first.returncode == 1
    with (output / "errors.csv").open() as file:
        refused = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}
    assert set(refused) == {"cut.dcm", "empty.dcm", "blank.png", "no_spacing.dcm", "frames.dcm"}
    assert all(reason for reason in refused.values())
    with (output / "landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))
    centers = {(Path(r["path"]).stem, r["side"]): r for r in rows if r["landmark"] == "4"}
    distances = []
    for number in range(FILMS):
        truth = np.load(archive.parent / f"truth{number:02}.npy")
        for side, (x, y) in zip(("R", "L"), truth, strict=True):
            row = centers.get((f"film{number:02}", side))
            if row is not None:
                distances.append(np.hypot(float(row["x_px"]) - x, float(row["y_px"]) - y) * SPACING_MM)
    assert len(distances) >= 0.9 * 2 * FILMS
    assert np.median(distances) < 2.0

    before = {path.name: path.stat().st_mtime_ns for path in output.glob("*.json")}
    again = predict(archive, output)
    assert f"0 done, {FILMS} done before" in again.communicate()[0]
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("*.json")} == before

    killed = tmp_path / "killed"
    run = predict(archive, killed)
    deadline = time.monotonic() + 300
    while len(list(killed.glob("*.json"))) < 5 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    assert 0 < len(list(killed.glob("*.json"))) < FILMS
    predict(archive, killed).communicate()
    assert tables(killed) == tables(output)
    shutil.rmtree(killed)
