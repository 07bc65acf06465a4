"""A mixed archive in a real Orthanc, found, fetched and answered by DICOMweb, with both killed and started in between.

``KNEEBUNDLE_ORTHANC_FILMS=200 pytest -m slow tests/dicom_node/test_orthanc_dicomweb.py`` takes 200 films instead of 30.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.dicom_node.fakes import find_free_port, wait_for
from tests.dicom_node.orthanc import DICOMWEB, PASSWORD, PROGRAM, USER, Orthanc
from tests.dicom_node.serve import LONG_S, Serve, check_results, list_samples, make_archive

dicomweb_client = pytest.importorskip("dicomweb_client")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None or DICOMWEB is None, reason="needs Orthanc: apt-get install orthanc-dicomweb"),
]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path / "orthanc", find_free_port(), dicomweb=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_each_film_has_one_set_of_results_in_the_end(orthanc: Orthanc, repository: Path, tmp_path: Path) -> None:
    port = find_free_port()
    settings = f'dicomweb = "http://127.0.0.1:{orthanc.http}/dicom-web"\ndicomweb-user = "{USER}"\n'
    serve = Serve(
        tmp_path / "queue", f"{settings}poll = 1\nstow-port = {port}\n", KNEEBUNDLE_DICOMWEB_PASSWORD=PASSWORD
    )
    films, useless = make_archive(list_samples(repository), tmp_path / "archive")
    there, posted = films[: 2 * len(films) // 3], films[2 * len(films) // 3 :]
    unseen = {film for film in useless if film in there and dcmread(film, stop_before_pixels=True).Modality == "CT"}

    def post(some: list[Path]) -> None:
        client = dicomweb_client.DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web")
        for film in some:
            answer = client.store_instances([dcmread(film)])
            assert len(answer.ReferencedSOPSequence) == 1 and "FailedSOPSequence" not in answer

    def count_settled() -> int:
        return sum(len(list((serve.folder / name).glob("*.json"))) for name in ("done", "failed"))

    try:
        for film in there[: len(there) // 2]:
            orthanc.store(film)
        serve.start()
        wait_for(lambda: serve.count("sending") or count_settled(), LONG_S)
        serve.end(signal.SIGKILL)
        serve.start()
        for film in there[len(there) // 2 :]:
            orthanc.store(film)
        wait_for(lambda: count_settled() > len(there) // 4, LONG_S)
        orthanc.stop()
        post(posted)
        wait_for(lambda: serve.count("sending") >= 3, LONG_S)
        serve.end(signal.SIGKILL)
        serve.start()
        orthanc.start()
        for film in posted:
            orthanc.store(film)  # and is found there, too
        post(posted[:3])
        wait_for(lambda: count_settled() > len(films) // 2, LONG_S)
        assert serve.end(signal.SIGTERM) == 0
        serve.start()
        orthanc.stop()
        orthanc.start()
        wait_for(lambda: count_settled() == len(films) - len(unseen), LONG_S)
        assert serve.end(signal.SIGTERM) == 0
    finally:
        serve.stop()

    uids = {str(dcmread(film, stop_before_pixels=True).SOPInstanceUID) for film in unseen}
    results = check_results(orthanc.read_instances(), films, useless, serve, uids)
    assert PASSWORD not in serve.log.read_text()
    print(f"\n{len(films)} films, {len(useless)} of them useless, {results} results in Orthanc")
