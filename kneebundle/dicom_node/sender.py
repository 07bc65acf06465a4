"""Send results, for as long as it takes."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from pathlib import Path
from typing import Protocol

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.dimse_link import DimseLink
from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.peer_errors import NotNowError, PacsAwayError, RefusedError
from kneebundle.dicom_node.web_settings import DicomwebServer

__all__ = ["Link", "Sender"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")

_FIRST_PAUSE_S = 1.0
_LOOK_S = 5.0
_MOST_FAILURES = 3


class Link(Protocol):
    """A way to the PACS, by DIMSE or by DICOMweb."""

    def connect(self) -> None:
        """Open a connection, where there is such a thing.

        Raises:
            PacsAwayError: if there is none.
        """

    def send(self, item: Path) -> None:
        """Send an object; when this returns the PACS has it.

        Raises:
            PacsAwayError: if nothing can be sent now.
            NotNowError: if this object cannot be sent now.
            RefusedError: if the PACS does not take it.
        """

    def close(self) -> None:
        """End the connection."""


class Sender(threading.Thread):
    """The thread that sends; films go out in the order in which their results were made.

    While the PACS is away it waits longer and longer between two tries. What the PACS refuses is not sent again, and
    its film has failed. A film that the PACS has trouble with waits, and the others go before it.

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
        self._troubles: Counter[str] = Counter()
        self._link = _make_link(settings, self._stop_asked)

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
                if self._stop_asked.is_set():  # which may have ended what was being sent
                    return
                self._note_away(str(error))
                self._stop_asked.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, self.settings.longest_pause_s)
            except Exception as error:  # the thread lives on, whatever happened
                _LOGGER.error("sending failed (%s); it goes on", type(error).__name__)
                self._stop_asked.wait(self._pause_s)

    def send_waiting(self) -> None:
        """Send all results that wait, over one connection.

        Raises:
            PacsAwayError: if the PACS does not take them, or not all of them, now.
        """
        waiting = sorted(self.queue.list_sending(), key=lambda results: self._troubles[results.name])
        if not waiting:
            return
        self._link.connect()
        in_a_row, last = 0, ""
        try:
            for results in waiting:
                if self._stop_asked.is_set():
                    return
                try:
                    self._send_film(results)
                    in_a_row = 0
                except NotNowError as error:
                    self._troubles[results.name] += 1
                    in_a_row, last = in_a_row + 1, str(error)
                    if in_a_row == _MOST_FAILURES:
                        break
        finally:
            self._link.close()
        if last:
            raise PacsAwayError(last)

    def _send_film(self, results: Path) -> None:
        refused = {}
        for item in self.queue.list_unsent(results):
            try:
                self._link.send(item)
            except RefusedError as error:
                refused[item.stem] = str(error)
            else:
                self.queue.mark_sent(item)
                self.counters.add("objects_sent_total", kind=item.stem)
            self._note_reached()
        self.queue.finish_sending(results, refused)
        del self._troubles[results.name]
        if refused:
            self.counters.add("films_failed_total")
            _LOGGER.error("film %s failed: the PACS refused %s", results.name, refused)
        else:
            _LOGGER.info("film %s done", results.name)

    def _note_reached(self) -> None:
        if not self.counters.pacs_reached:
            _LOGGER.info("the PACS is reached")
        self.counters.pacs_reached = True

    def _note_away(self, why: str) -> None:
        if self.counters.pacs_reached is not False:
            _LOGGER.warning("the PACS %s; results wait on disk", why)
        self.counters.pacs_reached = False
        self.counters.add("send_failures_total")


def _make_link(settings: NodeSettings, stop: threading.Event) -> Link:
    if isinstance(settings.pacs, DicomwebServer):
        from kneebundle.dicom_node.web_client import WebClient

        return WebClient(settings.pacs, settings.timeout_s, stop.is_set)
    return DimseLink(settings, settings.pacs)
