"""``kneebundle serve`` killed at random moments, 10 times or as often as ``KNEEBUNDLE_KILLS`` says.

A film that was acknowledged gets its results, once. An object that was on its way at the moment of a kill may come a
second time, under the same UID, by which the PACS knows it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import dcmread

from kneebundle.dicom_node.film_queue import hash_uid
from tests.dicom_node.fakes import FakePacs, count, find_free_port, send, wait_for, write_knee
from tests.dicom_node.serve import references

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KNEEBUNDLE_KILLS", "10"))
FILMS = 12

COMMAND = """
import sys
from pathlib import Path
from kneebundle.dicom_node.node import DicomNode
from kneebundle.dicom_node.node_settings import NodeSettings, Peer
from tests.batch.fakes import FakePipeline

settings = NodeSettings(
    pacs=Peer("PACS", "127.0.0.1", int(sys.argv[2])), allowed=["ROUTER"], host="127.0.0.1", port=0, status_port=None,
    least_free_mib=0, longest_pause_s=0.2, timeout_s=5.0, most_tries=10**6,
)
DicomNode(Path(sys.argv[1]), settings, FakePipeline).run(lambda ways_in, page: print(ways_in.port, flush=True))
"""


def start(queue: Path, pacs_port: int) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", COMMAND, str(queue), str(pacs_port)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_no_film_is_lost_and_no_result_is_made_twice(tmp_path: Path) -> None:
    moments, queue = random.Random(0), tmp_path / "queue"
    films = [write_knee(tmp_path / f"{number}.dcm", 100 + number) for number in range(FILMS)]
    pacs = FakePacs(find_free_port())
    pacs_port = pacs._server.socket.getsockname()[1]
    waiting = list(films)  # what the router has no acknowledgement of
    for _ in range(KILLS):
        process, port = start(queue, pacs_port)
        sent = waiting[: moments.randint(0, 3)] + moments.sample(films, 1)  # and one that the node may have already
        killer = threading.Timer(moments.uniform(0, 2.5), os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        answers: list[int | None] = [None] * len(sent)
        with suppress(RuntimeError):  # the connection ended under the router's feet
            answers = send(port, sent)
        killer.join()
        process.wait()
        waiting = [film for film in waiting if (film, 0) not in zip(sent, answers, strict=True)]
    process, port = start(queue, pacs_port)
    try:
        assert not waiting or send(port, waiting) == [0] * len(waiting)
        wait_for(lambda: count(queue)["done"] == FILMS, 120)
        time.sleep(0.5)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        pacs.stop()
    found: dict[str, Counter[str]] = {str(dcmread(film).SOPInstanceUID): Counter() for film in films}
    for dataset in pacs.stored.values():
        (uid,) = references(dataset) & set(found)
        found[uid][dataset.Modality] += 1
    assert set(map(frozenset, (kinds.items() for kinds in found.values()))) == {
        frozenset({"SR": 1, "PR": 1, "OT": 1}.items())
    }
    assert len(pacs.arrived) - len(pacs.stored) <= KILLS
    done = {path.stem for path in queue.glob("done/*.json")}
    assert done == {hash_uid(uid) for uid in found}
