"""Take films into the queue, whichever way they came."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue, hash_uid
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.reports.dicom_source import suppress_warnings

__all__ = ["FilmIdentity", "Intake", "read_identity"]

_LOGGER = logging.getLogger("kneebundle.dicom_node")
_MIB = 1 << 20


@dataclass(frozen=True)
class FilmIdentity:
    """UIDs that a DICOM file states of itself."""

    sop_class: str
    uid: str
    study: str


def read_identity(content: bytes) -> FilmIdentity | None:
    """Read who a DICOM file is; None where its header cannot be read or says no UIDs."""
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.multival import MultiValue

    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    try:
        with suppress_warnings():
            header = dcmread(BytesIO(content), specific_tags=tags, stop_before_pixels=True)
            found = FilmIdentity(
                str(header.SOPClassUID), str(header.SOPInstanceUID), str(header.get("StudyInstanceUID") or "")
            )
    except Exception:  # whatever pydicom raises over a broken header
        return None
    several = any(isinstance(header[tag].value, list | MultiValue) for tag in tags if tag in header)
    return found if not several and 0 < len(found.uid) <= 64 and found.sop_class else None


class Intake:
    """Takes films in, counts them and writes the log, in which a film is called by the hash of its UID.

    Args:
        settings: of the node.
        queue: takes the films.
        counters: of the node.
        say_new: is called when a film came.
    """

    def __init__(
        self, settings: NodeSettings, queue: FilmQueue, counters: Counters, say_new: Callable[[], None]
    ) -> None:
        self.settings, self.queue, self.counters, self.say_new = settings, queue, counters, say_new

    @property
    def largest(self) -> int:
        """Bytes that a film may have."""
        return self.settings.largest_mib * _MIB

    def has_room(self) -> bool:
        """Whether the queue and the disk have room for a film."""
        waiting = self.queue.count()
        if sum(waiting[folder] for folder in ("received", "working", "sending")) >= self.settings.most_waiting:
            return False
        return shutil.disk_usage(self.queue.folder).free >= self.settings.least_free_mib * _MIB

    def add(self, uid: str, content: bytes) -> bool:
        """Take a film in; when this returns it is on disk, and may be acknowledged.

        Returns:
            False where it is there already.

        Raises:
            OSError: if it cannot be written.
        """
        key = hash_uid(uid)
        if not self.queue.add(uid, content):
            self.counters.add("films_resent_total")
            _LOGGER.info("film %s came again", key)
            return False
        self.counters.add("films_received_total")
        _LOGGER.info("film %s received", key)
        self.say_new()
        return True

    def refuse(self, reason: str, about: str) -> None:
        """Count and log what is not taken in."""
        self.counters.add("films_refused_total", reason=reason)
        _LOGGER.warning("refused: %s", about)
