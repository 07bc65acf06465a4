"""Send results to the PACS by C-STORE, for as long as it takes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.receiver import import_pynetdicom
from kneebundle.errors import in_brief
from kneebundle.reports.dicom_source import suppress_warnings

__all__ = ["PacsAwayError", "Sender"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")

_FIRST_PAUSE_S = 1.0
_LOOK_S = 5.0
_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.2",  # Color Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image
)


class PacsAwayError(Exception):
    """The PACS does not answer, or has no room: it is to be tried again."""


class Sender(threading.Thread):
    """The thread that sends; films go out in the order in which their results were made.

    While the PACS is away it waits longer and longer between two tries. What the PACS refuses is not sent again, and
    its film has failed.

    Args:
        settings: of the node.
        queue: of the films.
        counters: of the node.
    """

    def __init__(self, settings: NodeSettings, queue: FilmQueue, counters: Counters) -> None:
        super().__init__(name="sender", daemon=True)
        self.settings, self.queue, self.counters = settings, queue, counters
        self.news = threading.Event()
        self._stop_asked = threading.Event()
        self._pause_s = _FIRST_PAUSE_S
        pynetdicom = import_pynetdicom()
        self._entity = pynetdicom.AE(settings.ae_title)
        self._entity.acse_timeout = self._entity.dimse_timeout = settings.timeout_s
        self._entity.network_timeout = self._entity.connection_timeout = settings.timeout_s
        for name in _CLASSES:
            self._entity.add_requested_context(name, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
        self._tls = None if settings.pacs_tls is None else settings.pacs_tls.make_context(server=False)

    def stop(self) -> None:
        """Ask the thread to end after the object that it sends."""
        self._stop_asked.set()
        self.news.set()

    def run(self) -> None:
        """Send until :meth:`stop`."""
        while not self._stop_asked.is_set():
            self.news.clear()
            try:
                self.send_waiting()
                self._pause_s = _FIRST_PAUSE_S
                self.news.wait(_LOOK_S)
            except PacsAwayError as error:
                self._note_away(str(error))
                self._stop_asked.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, self.settings.longest_pause_s)
            except Exception as error:  # the thread lives on, whatever happened
                _LOGGER.error("sending failed (%s); it goes on", type(error).__name__)
                self._stop_asked.wait(self._pause_s)

    def send_waiting(self) -> None:
        """Send all results that wait, over one connection.

        Raises:
            PacsAwayError: if the PACS does not take them now.
        """
        waiting = self.queue.list_sending()
        if not waiting:
            return
        association = self._connect()
        try:
            for results in waiting:
                if self._stop_asked.is_set():
                    return
                self._send_film(association, results)
        finally:
            if association.is_established:
                association.release()

    def _connect(self) -> Any:
        pacs = self.settings.pacs
        tls = {} if self._tls is None else {"tls_args": (self._tls, pacs.host)}
        association = self._entity.associate(pacs.host, pacs.port, ae_title=pacs.ae_title, **tls)
        if not association.is_established:
            raise PacsAwayError("refuses the association" if association.is_rejected else "cannot be reached")
        if not self.counters.pacs_reached:
            _LOGGER.info("the PACS is reached")
        self.counters.pacs_reached = True
        return association

    def _send_film(self, association: Any, results: Path) -> None:
        refused = {}
        for item in self.queue.list_unsent(results):
            why = self._send_object(association, item)
            if why is None:
                self.queue.mark_sent(item)
                self.counters.add("objects_sent_total", kind=item.stem)
            else:
                refused[item.stem] = why
        self.queue.finish_sending(results, refused)
        if refused:
            self.counters.add("films_failed_total")
            _LOGGER.error("film %s failed: the PACS refused %s", results.name, refused)
        else:
            _LOGGER.info("film %s done", results.name)

    def _send_object(self, association: Any, item: Path) -> str | None:
        """Send an object; None where the PACS has it, else why it refused it."""
        from pydicom import dcmread

        with suppress_warnings():
            try:
                status = association.send_c_store(dcmread(item))
            except ValueError:
                return "it takes no objects of this kind"
            except RuntimeError as error:
                raise PacsAwayError(f"ended the connection ({in_brief(error, 60)})") from error
        code = status.get("Status")
        if code is None:
            raise PacsAwayError("gave no answer")
        if code == 0 or code >> 12 == 0xB:  # taken, or taken with a warning
            return None
        if code >> 8 == 0xA7:
            raise PacsAwayError("has no room")
        return f"status 0x{code:04X}"

    def _note_away(self, why: str) -> None:
        if self.counters.pacs_reached is not False:
            _LOGGER.warning("the PACS %s; results wait on disk", why)
        self.counters.pacs_reached = False
        self.counters.add("send_failures_total")
