"""A PACS in this process, films, and a node in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread

from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.dicom_node.node import DicomNode
from kneebundle.dicom_node.node_settings import NodeSettings, Peer
from kneebundle.dicom_node.ways_in import WaysIn
from kneebundle.io.dicom_writing import write_dicom
from tests.batch.fakes import FakePipeline

NAME = "Mustermann^Erika"


def wait_for(what: Callable[[], Any], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FakePacs:
    """Stores what it is sent, by UID; answers ``status`` and counts all that came."""

    def __init__(self, port: int, ae_title: str = "PACS", tls: Any = None, without: Sequence[str] = ()) -> None:
        from pynetdicom import AE, AllStoragePresentationContexts, evt

        self.stored: dict[str, Dataset] = {}
        self.arrived: list[str] = []
        self.status = 0x0000
        entity: Any = AE(ae_title)
        for context in AllStoragePresentationContexts:
            if context.abstract_syntax not in without:
                entity.add_supported_context(context.abstract_syntax)
        self._server: Any = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)], ssl_context=tls
        )

    def _store(self, event: Any) -> int:
        self.arrived.append(event.dataset.SOPInstanceUID)
        if self.status == 0:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.stored.setdefault(dataset.SOPInstanceUID, dataset)
        return self.status

    def stop(self) -> None:
        self._server.ae.shutdown()


def write_knee(path: Path, grey: int = 100, **attributes: Any) -> Path:
    """A film for :class:`~tests.batch.fakes.FakePipeline`; its patient has a name."""
    pixels = np.full((40, 40), grey, dtype=np.uint16)
    pixels[0, :2] = [max(grey - 1, 0), grey + 1]
    known = {"PatientName": NAME, "PatientID": "4711", "AccessionNumber": "A1", "StudyDescription": "Knie links"}
    write_dicom(path, pixels, (0.5, 0.5), side="L", view="pa-single", attributes={**known, **attributes})
    return path


def send(
    port: int, films: Sequence[Path], calling: str = "ROUTER", called: str = "KNEEBUNDLE", tls: Any = None
) -> list:
    """The status for each film; None where there was no connection."""
    from pynetdicom import AE

    entity: Any = AE(calling)
    datasets = [dcmread(film, force=True) for film in films]
    for dataset in datasets:
        entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    secured = {} if tls is None else {"tls_args": (tls, "localhost")}
    association = entity.associate("127.0.0.1", port, ae_title=called, **secured)
    if not association.is_established:
        return [None] * len(films)
    answers = [association.send_c_store(dataset).get("Status") for dataset in datasets]
    association.release()
    return answers


def send_echo(port: int, calling: str) -> int | None:
    """The status of a C-ECHO; None where there was no connection."""
    from pynetdicom import AE

    entity: Any = AE(calling)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title="KNEEBUNDLE")
    if not association.is_established:
        return None
    status = association.send_c_echo().get("Status")
    association.release()
    return status


@contextmanager
def running_node(
    folder: Path, pacs_port: int, pipeline: Any = None, retry_failed: bool = False, **settings: Any
) -> Iterator[tuple[DicomNode, Any, str]]:
    """A node in a thread: itself, its port or the address of its STOW-RS, and the address of its page."""
    chosen = NodeSettings(
        **{
            "pacs": Peer("PACS", "127.0.0.1", pacs_port),
            "allowed": ["ROUTER"],
            "host": "127.0.0.1",
            "port": 0,
            "status_port": 0,
            "least_free_mib": 0,
            "longest_pause_s": 0.5,
            "timeout_s": 5.0,
            **settings,
        }
    )
    node = DicomNode(folder, chosen, lambda: pipeline or FakePipeline(), retry_failed=retry_failed)
    ready: list[tuple[WaysIn, str | None]] = []
    thread = threading.Thread(target=node.run, args=(lambda ways_in, page: ready.append((ways_in, page)),))
    thread.start()
    try:
        wait_for(lambda: ready or not thread.is_alive())
        ways_in, page = ready[0]
        yield node, ways_in.port or ways_in.stow_address, str(page)
    finally:
        node.stop()
        thread.join(20)
        assert not thread.is_alive()


def count(folder: Path) -> dict[str, int]:
    return FilmQueue(folder).count()
