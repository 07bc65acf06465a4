"""A mixed archive through ``kneebundle serve`` into a real Orthanc, with both of them killed and started in between.

``KNEEBUNDLE_ORTHANC_FILMS=200 pytest -m slow tests/dicom_node/test_orthanc.py`` sends 200 films instead of 30.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dicom_node.fakes import find_free_port, send, wait_for
from tests.dicom_node.orthanc import PROGRAM, Orthanc
from tests.dicom_node.serve import LONG_S, Serve, check_results, list_samples, make_archive

pytest.importorskip("pynetdicom")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="needs Orthanc: apt-get install orthanc")]


@pytest.fixture
def orthanc_and_serve(tmp_path: Path) -> Iterator[tuple[Orthanc, Serve]]:
    port = find_free_port()
    orthanc = Orthanc(tmp_path / "orthanc", port)
    pacs = f'pacs = "ORTHANC@127.0.0.1:{orthanc.port}"\nallow = ["ROUTER", "ORTHANC"]\n'
    serve = Serve(tmp_path / "queue", f'{pacs}listen = "127.0.0.1"\nport = {port}\n')
    try:
        orthanc.start()
        serve.start()
        yield orthanc, serve
    finally:
        serve.stop()
        orthanc.stop()


def test_each_film_has_one_set_of_results_in_the_end(
    orthanc_and_serve: tuple[Orthanc, Serve], repository: Path, tmp_path: Path
) -> None:
    orthanc, serve = orthanc_and_serve
    films, useless = make_archive(list_samples(repository), tmp_path / "archive")
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

    results = check_results(orthanc.read_instances(), films, useless, serve, unseen=set())
    print(f"\n{len(films)} films, {len(useless)} of them useless, {results} results in Orthanc")


def serve_port(serve: Serve) -> int:
    config = serve.folder.with_suffix(".toml").read_text().splitlines()
    return int(next(line for line in config if line.startswith("port")).split("=")[1])
