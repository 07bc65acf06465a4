"""``kneebundle serve`` as a process, a mixed archive for it, and what has to come of that."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, JPEG2000Lossless, RLELossless, generate_uid

from kneebundle.dicom_node.film_queue import FOLDERS, hash_uid
from tests.dicom_node.fakes import wait_for

FILMS = int(os.environ.get("KNEEBUNDLE_ORTHANC_FILMS", "30"))
LONG_S = 120.0 + 20.0 * FILMS
NAME = "Mustermann^Erika"


class Serve:
    """The command, as a process of its own."""

    def __init__(self, folder: Path, settings: str, **environment: str) -> None:
        self.folder, self.log = folder, folder.with_suffix(".log")
        self.environment = {**os.environ, **environment}
        config = folder.with_suffix(".toml")
        config.write_text(f"{settings}status-port = 0\nleast-free = 0\n")
        self.command = [sys.executable, "-m", "kneebundle", "serve", str(folder), "--config", str(config)]
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        log = self.log.open("ab")
        self._process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        wait_for(lambda: self.log.read_text().count("(stop with Ctrl-C)") == self.starts, 900)

    def end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(600)
        self._process = None
        return code

    def count(self, *folders: str) -> int:
        return sum(
            len(
                [path for path in (self.folder / name).glob("*") if path.suffix in (".dcm", "") and path.name[0] != "."]
            )
            for name in folders
        )

    def stop(self) -> None:
        if self._process is not None:
            self.end(signal.SIGKILL)


def list_samples(repository: Path) -> list[Path]:
    """The drawn films of the project."""
    return sorted(
        path for folder in ("films", "knees", "lateral") for path in repository.glob(f"samples/{folder}/*.dcm")
    )


def make_archive(samples: list[Path], folder: Path) -> tuple[list[Path], list[Path]]:
    """Films of many patients in several encodings; and what no result can be made of."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    films, useless = [], []
    for number in range(FILMS):
        dataset = dcmread(samples[number % len(samples)])
        dataset.StudyDate = f"{datetime.date.today():%Y%m%d}"
        dataset.PatientID, dataset.PatientName = f"P{number // 2}", NAME
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(number // 2)])  # two films a study
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(number)])
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(number)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        pixels = dataset.pixel_array
        noisy = pixels + rng.integers(-2, 3, pixels.shape)
        dataset.PixelData = np.clip(noisy, 0, 2**dataset.BitsStored - 1).astype(pixels.dtype).tobytes()
        films.append(folder / f"{number}.dcm")
        if number % 10 == 3:
            dataset.Modality, dataset.SOPClassUID = "CT", CTImageStorage
            dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        elif number % 10 == 7:
            dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 6 * 2]
        elif number % 5 == 1:
            dataset.compress([RLELossless, JPEG2000Lossless][number % 2], generate_instance_uid=False)
        if number % 10 in (3, 7):
            useless.append(films[-1])
        dataset.save_as(films[-1], enforce_file_format=True)
    return films, useless


def references(dataset: Dataset) -> set[str]:
    return {element.value for element in dataset.iterall() if element.keyword == "ReferencedSOPInstanceUID"}


def check_results(stored: list[Dataset], films: list[Path], useless: list[Path], serve: Serve, unseen: set[str]) -> int:
    """Check that each film has one set of results in its study, and that nothing of a patient is left with the node.

    Args:
        stored: all that the PACS has.
        films: that it had before.
        useless: films of which no results can be made.
        serve: the node, stopped.
        unseen: UIDs of useless films that did not come to the node.

    Returns:
        How many results there are.
    """
    sources = {str(dcmread(film, stop_before_pixels=True).SOPInstanceUID): film for film in films}
    results = [dataset for dataset in stored if str(dataset.SOPInstanceUID) not in sources]
    studies = {str(dataset.SOPInstanceUID): dataset for dataset in stored if str(dataset.SOPInstanceUID) in sources}
    found: dict[str, Counter[str]] = {uid: Counter() for uid in sources}
    for dataset in results:
        (uid,) = references(dataset) & set(sources)
        found[uid][dataset.Modality] += 1
        assert dataset.StudyInstanceUID == studies[uid].StudyInstanceUID
        assert dataset.PatientID == studies[uid].PatientID
    kinds = {"sr": "SR", "gsps": "PR", "seg": "SEG", "sc": "OT"}
    for uid, film in sources.items():
        if film in useless:
            assert not found[uid], film
            assert uid in unseen or (serve.folder / "failed" / f"{hash_uid(uid)}.json").is_file()
            continue
        state = json.loads((serve.folder / "done" / f"{hash_uid(uid)}.json").read_text())
        assert found[uid] == Counter(kinds[kind] for kind in state["objects"]), film
        assert found[uid]["OT"] == 1
    assert sum(counts["SR"] for counts in found.values()) >= 0.8 * (len(films) - len(useless))
    assert any(counts["SEG"] for counts in found.values())

    said = serve.log.read_text()
    assert not [word for word in ("Mustermann", *sources) if word in said]
    left = [path for name in FOLDERS for path in (serve.folder / name).rglob("*") if path.is_file()]
    assert {path.suffix for path in left} == {".json"}  # no film stays
    return len(results)
