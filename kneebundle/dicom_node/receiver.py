"""Receive films by C-STORE; one is acknowledged when it is on disk."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue, hash_uid
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.errors import KneeBundleError
from kneebundle.reports.dicom_source import suppress_warnings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Receiver", "import_pynetdicom"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")

_TAKEN = 0x0000
_NO_ROOM = 0xA700
_OTHER_CLASS = 0xA900
_NOT_UNDERSTOOD = 0xC000
_MIB = 1 << 20


def import_pynetdicom() -> Any:
    """Import pynetdicom; it and the packages that read and write DICOM are made silent, since they log what films say.

    Raises:
        KneeBundleError: if it is not installed.
    """
    try:
        import pynetdicom
    except ImportError as error:
        raise KneeBundleError(
            'receiving films needs pynetdicom; install it with: pip install "kneebundle[dicom]"', field="dicom"
        ) from error
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return pynetdicom


class Receiver:
    """The side of a node that listens.

    Args:
        settings: of the node.
        queue: takes the films.
        counters: of the node.
        say_new: is called when a film came.

    Raises:
        KneeBundleError: if pynetdicom is missing, the port is taken or the TLS files cannot be used.
    """

    def __init__(
        self, settings: NodeSettings, queue: FilmQueue, counters: Counters, say_new: Callable[[], None]
    ) -> None:
        self.settings, self.queue, self.counters, self.say_new = settings, queue, counters, say_new
        self._stopping = False
        pynetdicom = import_pynetdicom()
        entity = pynetdicom.AE(settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(settings.allowed)
        entity.maximum_associations = settings.most_associations
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = settings.timeout_s
        entity.add_supported_context("1.2.840.10008.1.1")  # verification
        for context in pynetdicom.AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, pynetdicom.ALL_TRANSFER_SYNTAXES)
        events = pynetdicom.evt
        try:
            self._server = entity.start_server(
                (settings.host, settings.port),
                block=False,
                ssl_context=None if settings.tls is None else settings.tls.make_context(server=True),
                evt_handlers=[
                    (events.EVT_C_STORE, self._store),
                    (events.EVT_PDU_RECV, self._watch_size),
                    (events.EVT_REJECTED, self._note_rejection),
                ],
            )
        except OSError as error:
            raise KneeBundleError(
                f"cannot listen for films on {settings.host}, port {settings.port} ({error.strerror})", field="listen"
            ) from error

    @property
    def port(self) -> int:
        """Where films are received."""
        return int(self._server.socket.getsockname()[1])

    def stop(self) -> None:
        """Take no more films; a sender in the middle of one is told that it was not taken."""
        if not self._stopping:
            self._stopping = True
            self._server.ae.shutdown()

    def _note_rejection(self, event: Any) -> None:
        self._refuse("association", "a sender whose AE title is not allowed, or that calls another")

    def _refuse(self, reason: str, about: str) -> None:
        self.counters.add("films_refused_total", reason=reason)
        _LOGGER.warning("refused: %s", about)

    def _watch_size(self, event: Any) -> None:
        """End a connection that sends more for one film than a film may have, before memory is full."""
        pdu, association = event.pdu, event.assoc
        if not hasattr(pdu, "presentation_data_value_items"):
            return
        for item in pdu.presentation_data_value_items:
            data = item.presentation_data_value
            is_command, is_last = data[0] & 1, data[0] & 2
            received = 0 if is_command else getattr(association, "kneebundle_bytes", 0) + len(data)
            association.kneebundle_bytes = 0 if is_last else received
            if received > self.settings.largest_mib * _MIB:
                self._refuse("too_large", f"a film of more than {self.settings.largest_mib} MiB")
                association.abort(block=False)
                association.dul.socket.close()
                return

    def _store(self, event: Any) -> int:
        try:
            return self._take(event)
        except Exception as error:  # whatever is wrong, the sender keeps the film
            self._refuse("error", f"a film that could not be taken in ({type(error).__name__})")
            return _NO_ROOM

    def _take(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        key = hash_uid(uid)
        if self._stopping:
            return _NO_ROOM
        if not self._has_room():
            self._refuse("no_room", f"film {key}, since the queue or the disk is full; it is to be sent again later")
            return _NO_ROOM
        content = event.encoded_dataset()
        with suppress_warnings():
            problem = _check(content, str(event.request.AffectedSOPClassUID), uid)
        if problem is not None:
            self._refuse("not_understood", f"film {key}, whose header cannot be read or is of another film")
            return problem
        if self.queue.add(uid, content):
            self.counters.add("films_received_total")
            _LOGGER.info("film %s received", key)
            self.say_new()
        else:
            self.counters.add("films_resent_total")
            _LOGGER.info("film %s came again", key)
        return _TAKEN

    def _has_room(self) -> bool:
        waiting = self.queue.count()
        if sum(waiting[folder] for folder in ("received", "working", "sending")) >= self.settings.most_waiting:
            return False
        return shutil.disk_usage(self.queue.folder).free >= self.settings.least_free_mib * _MIB


def _check(content: bytes, sop_class: str, uid: str) -> int | None:
    """The status for a file that is not the film that it is said to be."""
    from io import BytesIO

    from pydicom import dcmread

    try:
        header = dcmread(BytesIO(content), specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True)
        found = (str(header.SOPClassUID), str(header.SOPInstanceUID))
    except Exception:  # whatever pydicom raises over a broken header
        return _NOT_UNDERSTOOD
    return None if found == (sop_class, uid) else _OTHER_CLASS
