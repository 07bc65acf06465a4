"""Receive films by C-STORE; one is acknowledged when it is on disk."""

from __future__ import annotations

import logging
from typing import Any

from kneebundle.dicom_node.film_queue import hash_uid
from kneebundle.dicom_node.intake import Intake, read_identity
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.errors import KneeBundleError

__all__ = ["Receiver", "import_pynetdicom", "silence_libraries"]

_TAKEN = 0x0000
_NO_ROOM = 0xA700
_OTHER_CLASS = 0xA900
_NOT_UNDERSTOOD = 0xC000
_TALKATIVE = ("pynetdicom", "pydicom", "highdicom", "dicomweb_client", "urllib3", "requests")


def silence_libraries() -> None:
    """Keep the packages that read, write and carry DICOM from logging, since they log what films say."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def import_pynetdicom() -> Any:
    """Import pynetdicom; it and the packages that read and write DICOM are made silent.

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
    silence_libraries()
    return pynetdicom


class Receiver:
    """The side of a node that listens.

    Args:
        settings: of the node.
        intake: takes the films.

    Raises:
        KneeBundleError: if pynetdicom is missing, the port is taken or the TLS files cannot be used.
    """

    def __init__(self, settings: NodeSettings, intake: Intake) -> None:
        self.settings, self.intake = settings, intake
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
        self.intake.refuse("association", "a sender whose AE title is not allowed, or that calls another")

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
            if received > self.intake.largest:
                self.intake.refuse("too_large", f"a film of more than {self.settings.largest_mib} MiB")
                association.abort(block=False)
                association.dul.socket.close()
                return

    def _store(self, event: Any) -> int:
        try:
            return self._take(event)
        except Exception as error:  # whatever is wrong, the sender keeps the film
            self.intake.refuse("error", f"a film that could not be taken in ({type(error).__name__})")
            return _NO_ROOM

    def _take(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        key = hash_uid(uid)
        if self._stopping:
            return _NO_ROOM
        if not self.intake.has_room():
            self.intake.refuse(
                "no_room", f"film {key}, since the queue or the disk is full; it is to be sent again later"
            )
            return _NO_ROOM
        content = event.encoded_dataset()
        found = read_identity(content)
        if found is None or (found.sop_class, found.uid) != (str(event.request.AffectedSOPClassUID), uid):
            self.intake.refuse("not_understood", f"film {key}, whose header cannot be read or is of another film")
            return _NOT_UNDERSTOOD if found is None else _OTHER_CLASS
        self.intake.add(uid, content)
        return _TAKEN
