"""Look for films at a DICOMweb server, again and again, and fetch those that the queue does not know."""

from __future__ import annotations

import datetime
import logging
import threading
import time

from kneebundle.dicom_node.film_queue import hash_uid
from kneebundle.dicom_node.intake import Intake
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.peer_errors import NotNowError, PacsAwayError
from kneebundle.dicom_node.web_client import FoundInstance, FoundStudy, WebClient
from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch

__all__ = ["Finder"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")
_FIRST_PAUSE_S = 1.0
_AHEAD = 50
_AHEAD_LOOK_S = 0.5
_MOST_FAILURES = 3
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 3600.0
_FORGET_S = 3600.0


class Finder(threading.Thread):
    """The thread that looks for films.

    What was done is known from the queue alone. The rest of what this thread remembers saves questions: studies in
    which nothing is left to do, as long as their number of instances stays the same, and when to ask again for an
    instance, or into a study, that could not be had.

    Args:
        server: where to look.
        search: for what.
        settings: of the node.
        intake: takes the films.
    """

    def __init__(self, server: DicomwebServer, search: FilmSearch, settings: NodeSettings, intake: Intake) -> None:
        super().__init__(name="finder", daemon=True)
        self.search, self.settings, self.intake = search, settings, intake
        self._stop_asked = threading.Event()
        self._pause_s = _FIRST_PAUSE_S
        self._settled: dict[tuple[str, str], int | None] = {}
        self._waits: dict[str, tuple[float, float]] = {}
        self._failures = 0
        self._forgot = time.monotonic()
        self._client = WebClient(server, settings.timeout_s, self._stop_asked.is_set, settings.largest_mib)

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop_asked.set()

    def run(self) -> None:
        """Look until :meth:`stop`."""
        while not self._stop_asked.is_set():
            try:
                self.look()
                self._pause_s = _FIRST_PAUSE_S
                self._stop_asked.wait(self.search.pause_s)
            except PacsAwayError as error:
                if self._stop_asked.is_set():  # which ends what is being asked, too
                    return
                self._note_away(str(error))
                self._stop_asked.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, self.settings.longest_pause_s)
            except Exception as error:  # the thread lives on, whatever happened
                _LOGGER.error("looking for films failed (%s); it goes on", type(error).__name__)
                self._stop_asked.wait(self.settings.longest_pause_s)

    def look(self) -> None:
        """Look once, and fetch what is new.

        Raises:
            PacsAwayError: if the server cannot be asked now.
        """
        dates = self.search.get_dates(datetime.date.today())
        self._failures = 0
        if time.monotonic() > self._forgot + _FORGET_S:  # an instance that took the place of another
            self._settled, self._forgot = {}, time.monotonic()
        there: set[tuple[str, str]] = set()
        for modality in self.search.modalities:
            for study in self._client.search_studies(modality, dates):
                if self._stop_asked.is_set():
                    return
                there.add((study.uid, modality))
                self._note_reached()
                self._look_into(study, modality)
            self._note_reached()
        self._settled = {study: count for study, count in self._settled.items() if study in there}
        now = time.monotonic()
        self._waits = {key: wait for key, wait in self._waits.items() if now < wait[0] + 2 * _LONGEST_WAIT_S}

    def _look_into(self, study: FoundStudy, modality: str) -> None:
        """Fetch what is new of a study."""
        name = (study.uid, modality)
        if study.instances is not None and self._settled.get(name) == study.instances:
            return
        key = hash_uid(f"{study.uid} {modality}")
        if not self._is_due(key):
            return
        try:
            found = self._client.search_instances(study.uid, modality)
        except NotNowError as error:
            self._postpone(key, "a study", str(error))
            return
        self._waits.pop(key, None)
        there = [self._take(instance) for instance in found]
        if all(there):
            self._settled[name] = study.instances

    def _take(self, instance: FoundInstance) -> bool:
        """Take an instance in; False where it is to be asked for again."""
        if self.intake.queue.knows(instance.uid):
            return True
        key = hash_uid(instance.uid)
        if not self._is_due(key) or not self._wait_for_room():
            return False
        try:
            content = self._client.fetch(instance)
            if len(content) > self.intake.largest:
                raise NotNowError(f"is of more than {self.settings.largest_mib} MiB")
        except NotNowError as error:
            self._postpone(key, f"film {key}", str(error))
            return False
        self._failures = 0
        self._waits.pop(key, None)
        self.intake.add(instance.uid, content)
        return True

    def _wait_for_room(self) -> bool:
        """Wait while films enough wait here: the others are as well where they are."""
        while not self._stop_asked.is_set():
            if self.intake.queue.count()["received"] < _AHEAD and self.intake.has_room():
                return True
            self._stop_asked.wait(_AHEAD_LOOK_S)
        return False

    def _is_due(self, key: str) -> bool:
        return time.monotonic() >= self._waits.get(key, (0.0, 0.0))[0]

    def _postpone(self, key: str, what: str, why: str) -> None:
        """Ask again later, after twice the time each time, so that what fails keeps nothing else waiting."""
        if self._stop_asked.is_set():
            return
        if key not in self._waits:
            self.intake.refuse("not_fetched", f"{what}: the DICOMweb server {why}; it is asked for later")
        _, wait_s = self._waits.get(key, (0.0, _FIRST_WAIT_S))
        self._waits[key] = (time.monotonic() + wait_s, min(2 * wait_s, _LONGEST_WAIT_S))
        self.intake.counters.add("fetch_failures_total")
        self._failures += 1
        if self._failures == _MOST_FAILURES:
            raise PacsAwayError(why)

    def _note_reached(self) -> None:
        if not self.intake.counters.source_reached:
            _LOGGER.info("the DICOMweb server is reached; films are looked for")
        self.intake.counters.source_reached = True

    def _note_away(self, why: str) -> None:
        if self.intake.counters.source_reached is not False:
            _LOGGER.warning("the DICOMweb server %s; films are looked for later", why)
        self.intake.counters.source_reached = False
        self.intake.counters.add("fetch_failures_total")
