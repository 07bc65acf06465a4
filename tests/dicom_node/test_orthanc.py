"""A mixed archive through ``kneebundle serve`` into a real Orthanc, with both of them killed and started in between.

``KNEEBUNDLE_ORTHANC_FILMS=200 pytest -m slow tests/dicom_node/test_orthanc.py`` sends 200 films instead of 30.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, JPEG2000Lossless, RLELossless, generate_uid

from kneebundle.dicom_node.film_queue import FOLDERS, hash_uid
from tests.dicom_node.fakes import find_free_port, send, wait_for
from tests.dicom_node.orthanc import PROGRAM, Orthanc

pytest.importorskip("pynetdicom")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="needs Orthanc: apt-get install orthanc")]

FILMS = int(os.environ.get("KNEEBUNDLE_ORTHANC_FILMS", "30"))
NAME = "Mustermann^Erika"
LONG_S = 120.0 + 20.0 * FILMS


class Serve:
    """The command, as a process of its own."""

    def __init__(self, folder: Path, port: int, pacs_port: int) -> None:
        self.folder, self.log = folder, folder.with_suffix(".log")
        config = folder.with_suffix(".toml")
        config.write_text(
            f'pacs = "ORTHANC@127.0.0.1:{pacs_port}"\nallow = ["ROUTER", "ORTHANC"]\nlisten = "127.0.0.1"\n'
            f"port = {port}\nstatus-port = 0\nleast-free = 0\n"
        )
        self.command = [sys.executable, "-m", "kneebundle", "serve", str(folder), "--config", str(config)]
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        log = self.log.open("ab")
        self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_for(lambda: self.log.read_text().count("receives films on port") == self.starts, 120)

    def end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(120)
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


@pytest.fixture
def orthanc_and_serve(tmp_path: Path) -> Iterator[tuple[Orthanc, Serve]]:
    port = find_free_port()
    orthanc = Orthanc(tmp_path / "orthanc", port)
    serve = Serve(tmp_path / "queue", port, orthanc.port)
    try:
        orthanc.start()
        serve.start()
        yield orthanc, serve
    finally:
        serve.stop()
        orthanc.stop()


def make_archive(samples: list[Path], folder: Path) -> tuple[list[Path], list[Path]]:
    """Films of many patients in several encodings; and what no result can be made of."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    films, useless = [], []
    for number in range(FILMS):
        dataset = dcmread(samples[number % len(samples)])
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


def test_each_film_has_one_set_of_results_in_the_end(
    orthanc_and_serve: tuple[Orthanc, Serve], repository: Path, tmp_path: Path
) -> None:
    orthanc, serve = orthanc_and_serve
    samples = sorted(
        path for folder in ("films", "knees", "lateral") for path in repository.glob(f"samples/{folder}/*.dcm")
    )
    films, useless = make_archive(samples, tmp_path / "archive")
    third = len(films) // 3
    instances = [orthanc.store(film) for film in films]

    orthanc.route(instances[:third])  # as a PACS sends them
    wait_for(lambda: serve.count("done", "sending"), LONG_S)
    serve.end(signal.SIGKILL)
    serve.start()
    orthanc.stop()
    assert set(send(serve_port(serve), films[third : 2 * third])) == {0}  # as a modality sends them
    wait_for(lambda: serve.count("sending") >= 3, LONG_S)
    serve.end(signal.SIGKILL)
    serve.start()
    orthanc.start()
    assert set(send(serve_port(serve), films[third - 2 : third + 2])) == {0}  # some again
    assert set(send(serve_port(serve), films[2 * third :])) == {0}
    wait_for(lambda: len(list(serve.folder.glob("done/*.json"))) > third // 2, LONG_S)
    assert serve.end(signal.SIGTERM) == 0
    serve.start()
    orthanc.stop()
    orthanc.start()
    wait_for(lambda: serve.count("received", "working", "sending") == 0, LONG_S)
    assert serve.end(signal.SIGTERM) == 0

    stored = orthanc.read_instances()
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
            assert (serve.folder / "failed" / f"{hash_uid(uid)}.json").is_file()
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
    print(f"\n{len(films)} films, {len(useless)} of them useless, {len(results)} results in Orthanc")


def serve_port(serve: Serve) -> int:
    config = serve.folder.with_suffix(".toml").read_text().splitlines()
    return int(next(line for line in config if line.startswith("port")).split("=")[1])
