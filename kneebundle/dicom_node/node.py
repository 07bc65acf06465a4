"""The DICOM node: films in, results out, one process."""

from __future__ import annotations

import errno
import logging
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.dicom_node.intake import Intake
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.result_objects import make_objects, predict_film, remove_identity
from kneebundle.dicom_node.sender import Sender
from kneebundle.dicom_node.status_page import StatusPage
from kneebundle.dicom_node.ways_in import WaysIn
from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import check_owner, hold_folder, mark_folder
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.results import Prediction

__all__ = ["DicomNode"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")
_COMMAND = "serve"
_LOOK_S = 0.2
_DISK_S = 5.0
_STOP_S = 40.0
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class DicomNode:
    """Receives or fetches films, predicts on them and sends the results to a PACS.

    Args:
        folder: of the queue, for this node alone.
        settings: of the node.
        pipeline: makes the pipeline, once.
        keep_films: keep the films beside what became of them.
        retry_failed: try the films again that failed in an earlier run, where the PACS or this program was to blame.
    """

    def __init__(
        self,
        folder: Path,
        settings: NodeSettings,
        pipeline: Callable[[], Pipeline[Prediction]],
        keep_films: bool = False,
        retry_failed: bool = False,
    ) -> None:
        self.folder, self.settings, self.pipeline = folder, settings, pipeline
        self.keep_films, self.retry_failed = keep_films, retry_failed
        self.counters = Counters()
        self._stop_asked = False  # no Event: a signal's handler may not wait for the lock of one
        self._news = threading.Event()

    def stop(self, *_: Any) -> None:
        """Ask :meth:`run` to end after the film that it works on; can be a signal's handler."""
        self._stop_asked = True

    def run(self, say_ready: Callable[[WaysIn, str | None], None] = lambda ways_in, page: None) -> None:
        """Run until :meth:`stop`; on the main thread also until SIGTERM or SIGINT, a second one of which ends at once.

        Args:
            say_ready: is given the ways in and the address of the status page when all is up.

        Raises:
            KneeBundleError: if the folder, a port or the networks cannot be used.
        """
        with self._hold_queue():
            queue = FilmQueue(self.folder, self.keep_films)
            interrupted = queue.recover(self.retry_failed)
            if interrupted:
                _LOGGER.warning(
                    "%d films were with the networks when the last run ended; they are done again", interrupted
                )
            pipeline = self.pipeline()
            sender = Sender(self.settings, queue, self.counters)
            with self._serve_status(queue) as page, self._hear_signals():
                ways_in = WaysIn(self.settings, Intake(self.settings, queue, self.counters, self._news.set))
                threading.Thread(target=self._close_on_stop, args=(ways_in,), name="closer", daemon=True).start()
                sender.start()
                try:
                    say_ready(ways_in, page)
                    self._work(queue, pipeline, sender)
                finally:
                    self.stop()
                    sender.stop()
                    ways_in.stop()
                    sender.join(_STOP_S)

    @contextmanager
    def _hold_queue(self) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                check_owner(self.folder, _COMMAND)
                stack.enter_context(hold_folder(self.folder, "fail"))
                mark_folder(self.folder, _COMMAND)
            except KneeBundleError as error:  # the advice for output folders is none for a queue
                raise KneeBundleError(error.reason, error.path, "queue") from error
            yield

    def _close_on_stop(self, ways_in: WaysIn) -> None:
        while not self._stop_asked:
            time.sleep(_LOOK_S)
        ways_in.stop()

    @contextmanager
    def _serve_status(self, queue: FilmQueue) -> Iterator[str | None]:
        if self.settings.status_port is None:
            yield None
            return
        with StatusPage(self.settings.status_port, queue, self.counters) as page:
            threading.Thread(target=page.serve_forever, name="status", daemon=True).start()
            try:
                yield page.address
            finally:
                page.shutdown()

    @contextmanager
    def _hear_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number: int, frame: object) -> None:
            signal.signal(number, signal.SIG_DFL)
            self.stop()

        before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _work(self, queue: FilmQueue, pipeline: Pipeline[Prediction], sender: Sender) -> None:
        while not self._stop_asked:
            self._news.clear()
            film = None
            try:
                film = queue.take()
                if film is not None:
                    self._do_film(queue, pipeline, film)
                    sender.news.set()
            except OSError as error:  # the disk; the film waits
                _LOGGER.error("the queue cannot be written to (%s); it is tried again", error.strerror)
                with suppress(OSError):
                    if film is not None and film.exists():
                        queue.put_back(film)
                time.sleep(_DISK_S)
            if film is None:
                self._news.wait(_LOOK_S)

    def _do_film(self, queue: FilmQueue, pipeline: Pipeline[Prediction], film: Path) -> None:
        start = time.monotonic()
        try:
            if queue.count_tries(film.stem) > self.settings.most_tries:
                return self._fail(queue, film, "the process ended each time that it was predicted on", keep=True)
            result = predict_film(film, pipeline, self.settings.objects)
            written, missing = make_objects(result, film, self.settings.objects, queue.make_room(film.stem))
        except KneeBundleError as error:
            self._fail(queue, film, remove_identity(error))
        except Exception as error:  # a fault of this program; its message may quote the film
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            self._fail(queue, film, f"a fault of this program ({type(error).__name__} in {where})", keep=True)
        else:
            seconds = time.monotonic() - start
            models = [f"{model.bundle} {model.version}" for model in result.models]
            queue.hand_over(film, {"objects": written, "not_written": missing, "models": models})
            if missing:
                _LOGGER.warning("film %s: %s could not be written", film.stem, ", ".join(missing))
            self.counters.add("films_predicted_total")
            self.counters.add("prediction_seconds_total", seconds)
            _LOGGER.info("film %s predicted in %.1f s: %s", film.stem, seconds, ", ".join(written))

    def _fail(self, queue: FilmQueue, film: Path, reason: str, keep: bool = False) -> None:
        queue.fail(film, reason, keep)
        self.counters.add("films_failed_total")
        _LOGGER.warning("film %s cannot be used: %s", film.stem, reason)
