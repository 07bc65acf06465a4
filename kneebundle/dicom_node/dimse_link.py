"""Send results by C-STORE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kneebundle.dicom_node.node_settings import NodeSettings, Peer
from kneebundle.dicom_node.peer_errors import PacsAwayError, RefusedError
from kneebundle.dicom_node.receiver import import_pynetdicom
from kneebundle.errors import in_brief
from kneebundle.reports.dicom_source import suppress_warnings

__all__ = ["DimseLink"]

_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.2",  # Color Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image
)


class DimseLink:
    """An association with a PACS, as :class:`kneebundle.dicom_node.Link` has it.

    Args:
        settings: of the node.
        pacs: the other side.
    """

    def __init__(self, settings: NodeSettings, pacs: Peer) -> None:
        self.pacs = pacs
        self._association: Any = None
        pynetdicom = import_pynetdicom()
        self._entity = pynetdicom.AE(settings.ae_title)
        self._entity.acse_timeout = self._entity.dimse_timeout = settings.timeout_s
        self._entity.network_timeout = self._entity.connection_timeout = settings.timeout_s
        for name in _CLASSES:
            self._entity.add_requested_context(name, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
        self._tls = None if settings.pacs_tls is None else settings.pacs_tls.make_context(server=False)

    def connect(self) -> None:
        """Ask for an association."""
        tls = {} if self._tls is None else {"tls_args": (self._tls, self.pacs.host)}
        self._association = self._entity.associate(self.pacs.host, self.pacs.port, ae_title=self.pacs.ae_title, **tls)
        if not self._association.is_established:
            raise PacsAwayError("refuses the association" if self._association.is_rejected else "cannot be reached")

    def send(self, item: Path) -> None:
        """Send an object."""
        from pydicom import dcmread

        with suppress_warnings():
            try:
                status = self._association.send_c_store(dcmread(item))
            except ValueError:
                raise RefusedError("it takes no objects of this kind") from None
            except RuntimeError as error:
                raise PacsAwayError(f"ended the connection ({in_brief(error, 60)})") from error
        code = status.get("Status")
        if code is None:
            raise PacsAwayError("gave no answer")
        if code >> 8 == 0xA7:
            raise PacsAwayError("has no room")
        if code != 0 and code >> 12 != 0xB:  # neither taken nor taken with a warning
            raise RefusedError(f"status 0x{code:04X}")

    def close(self) -> None:
        """Release the association."""
        if self._association.is_established:
            self._association.release()
