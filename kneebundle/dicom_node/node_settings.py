"""What a DICOM node is told; plain values, checked."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kneebundle.dicom_node.result_objects import KINDS
from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch, StowEndpoint, is_loopback
from kneebundle.errors import KneeBundleError

__all__ = ["NodeSettings", "Peer", "TlsFiles"]

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")


def _check_title(title: str) -> str:
    if not _AE_TITLE.fullmatch(title) or not title.strip():
        raise KneeBundleError(f"{title!r} is no AE title: 1 to 16 characters of ASCII, no backslash", field="ae_title")
    return title.strip()


@dataclass(frozen=True)
class Peer:
    """A DICOM program elsewhere: its AE title, and where it listens.

    Example:
        >>> Peer.parse("ORTHANC@pacs.hospital:4242")
        Peer(ae_title='ORTHANC', host='pacs.hospital', port=4242)
    """

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Parse ``AE@HOST:PORT``; an IPv6 address is in brackets.

        Raises:
            KneeBundleError: if it is something else.
        """
        title, _, address = text.rpartition("@")
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (title and host and port.isdigit() and 0 < int(port) < 65536):
            raise KneeBundleError(
                f"{text!r} is no DICOM address; AE@HOST:PORT is needed, such as PACS@10.0.0.5:104", field="pacs"
            )
        return cls(_check_title(title), host, int(port))


@dataclass(frozen=True)
class TlsFiles:
    """Files in PEM for TLS.

    Attributes:
        certificate, key: of this node.
        authority: certificates that the other side's is to be signed by; a sender must show one.
    """

    certificate: Path
    key: Path
    authority: Path

    def make_context(self, server: bool) -> ssl.SSLContext:
        """Make the context for receiving (``server``) or for sending; both sides show certificates.

        Raises:
            KneeBundleError: if a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as error:
            raise KneeBundleError(
                f"the files for TLS cannot be used ({error.strerror or 'no PEM, or a key of another certificate'})",
                self.certificate,
                "tls",
            ) from error
        return context


@dataclass(frozen=True)
class NodeSettings:
    """Settings of a node.

    Attributes:
        pacs: where results go, by C-STORE or by STOW-RS.
        allowed: AE titles that may send films by C-STORE; none: no C-STORE.
        ae_title: of this node.
        host, port: where films are received by C-STORE; port 0: any free one.
        stow: where they are received by STOW-RS; None: nowhere.
        source, search: where they are looked for by QIDO-RS, and which; None: nowhere.
        objects: kinds of results, of :data:`~kneebundle.dicom_node.KINDS`.
        tls, pacs_tls: for receiving, by C-STORE and STOW-RS, and for sending by C-STORE; None: without.
        status_port: of the status page on 127.0.0.1; 0: any free one, None: no page.
        largest_mib: largest film.
        most_waiting: films that may wait before senders are told to come back later.
        least_free_mib: room that is left on the disk.
        most_associations: connections at once.
        timeout_s: for answers of the network.
        longest_pause_s: between two tries to reach the PACS; the first pause is a second, each is twice the one before.
        most_tries: how often a film may end the process before it is put aside.
    """

    pacs: Peer | DicomwebServer
    allowed: Sequence[str] = ()
    ae_title: str = "KNEEBUNDLE"
    host: str = "0.0.0.0"
    port: int = 11112
    stow: StowEndpoint | None = None
    source: DicomwebServer | None = None
    search: FilmSearch = FilmSearch()
    objects: Sequence[str] = ("sr", "gsps", "seg", "sc")
    tls: TlsFiles | None = None
    pacs_tls: TlsFiles | None = None
    status_port: int | None = 8090
    largest_mib: int = 256
    most_waiting: int = 10_000
    least_free_mib: int = 1024
    most_associations: int = 10
    timeout_s: float = 30.0
    longest_pause_s: float = 60.0
    most_tries: int = 3

    def __post_init__(self) -> None:
        _check_title(self.ae_title)
        if not self.allowed and self.stow is None and self.source is None:
            raise KneeBundleError("films can come from nowhere; name the AE titles that may send them", field="allow")
        if self.stow is not None and self.stow.token is None and self.tls is None and not is_loopback(self.stow.host):
            raise KneeBundleError(
                f"whoever reaches {self.stow.host} could post films; a token or TLS is needed", field="stow_token"
            )
        for title in self.allowed:
            _check_title(title)
        unknown = [kind for kind in self.objects if kind not in KINDS]
        if unknown or not self.objects:
            raise KneeBundleError(f"results are of {', '.join(KINDS)}, got {', '.join(unknown) or 'none'}")
