"""What a node is told of DICOMweb: a server to look for films at and send results to, and its own STOW-RS."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kneebundle.errors import KneeBundleError

__all__ = ["DicomwebServer", "FilmSearch", "StowEndpoint", "is_loopback"]

_DATES = re.compile(r"(?=.*\d)(\d{8})?(-?)(\d{8})?")
_MODALITY = re.compile(r"[A-Z0-9_]{1,16}")


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which no other machine reaches.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


@dataclass(frozen=True)
class DicomwebServer:
    """A DICOMweb server elsewhere.

    Attributes:
        url: its address, below which ``/studies`` is.
        user, password: for basic authentication.
        token: for bearer authentication.
        authority: certificates, PEM, that its certificate is to be signed by; None: those that the system trusts.

    Raises:
        KneeBundleError: if the address is none, or a user is without a password.

    Example:
        >>> DicomwebServer("https://pacs.hospital/dicom-web/", token="secret")
        DicomwebServer(url='https://pacs.hospital/dicom-web', user=None, authority=None)
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    authority: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or re.search(r"\s", self.url):
            raise KneeBundleError(
                "the address of the DICOMweb server is none; http://HOST:PORT/PATH or https://... is needed, such as "
                "https://pacs.hospital/dicom-web",
                field="dicomweb",
            )
        if parts.username is not None or parts.password is not None:
            raise KneeBundleError(
                "the address of the DICOMweb server has a user or password in it, which logs would show; give them "
                "apart from it",
                field="dicomweb_secret",
            )
        if (self.user is None) != (self.password is None):
            missing = "password" if self.password is None else "user"
            raise KneeBundleError(f"the {missing} for the DICOMweb server is missing", field="dicomweb_secret")
        if self.user is not None and self.token is not None:
            raise KneeBundleError("a user and a token are given for the DICOMweb server; one of them is needed")
        if self.authority is not None and not self.authority.is_file():
            raise KneeBundleError("there is no such file of certificates", self.authority, "dicomweb_authority")
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def shows_secret(self) -> bool:
        """Whether a password or token goes to another machine without TLS."""
        parts = urlsplit(self.url)
        secret = self.password is not None or self.token is not None
        return secret and parts.scheme == "http" and not is_loopback(parts.hostname or "")


@dataclass(frozen=True)
class FilmSearch:
    """Which films are looked for at a DICOMweb server.

    Attributes:
        modalities: of the series.
        days: how many days back from today studies are looked at.
        study_date: dates in place of ``days``, as DICOM writes a range: ``20260101-20260131``, ``20260101-``.
        pause_s: between two looks.

    Example:
        >>> FilmSearch(days=7).get_dates(datetime.date(2026, 1, 8))
        '20260101-'
    """

    modalities: Sequence[str] = ("CR", "DX")
    days: int = 7
    study_date: str | None = None
    pause_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.modalities or not all(_MODALITY.fullmatch(name) for name in self.modalities):
            raise KneeBundleError("the modalities to look for are none; such as CR and DX are needed")
        if self.study_date is not None and not self._is_range(self.study_date):
            raise KneeBundleError(
                f"{self.study_date!r} is no range of dates; such as 20260101-20260131, 20260101- or 20260101 is needed",
                field="study_date",
            )

    def get_dates(self, today: datetime.date) -> str:
        """Get the range of dates as DICOM writes it."""
        if self.study_date is not None:
            return self.study_date
        first = max(today - datetime.timedelta(days=min(self.days, today.toordinal() - 1)), datetime.date(1900, 1, 1))
        return f"{first:%Y%m%d}-"

    @staticmethod
    def _is_range(text: str) -> bool:
        found = _DATES.fullmatch(text)
        if found is None or (found[1] and found[3] and not found[2]):
            return False
        try:
            first, last = (
                datetime.datetime.strptime(date, "%Y%m%d") if date else None for date in (found[1], found[3])
            )
        except ValueError:
            return False
        return first is None or last is None or first <= last


@dataclass(frozen=True)
class StowEndpoint:
    """The node's own address for STOW-RS, ``http://<host>:<port>/dicom-web/studies``.

    Attributes:
        host, port: where it listens; port 0: any free one.
        token: that senders must show (``Authorization: Bearer <token>``); needed where other machines reach it.
    """

    host: str = "127.0.0.1"
    port: int = 8091
    token: str | None = field(default=None, repr=False)
