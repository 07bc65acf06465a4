"""Ask a DICOMweb server: look for films (QIDO-RS), fetch them (WADO-RS), send results (STOW-RS)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from kneebundle.dicom_node.peer_errors import NotNowError, PacsAwayError, RefusedError
from kneebundle.dicom_node.receiver import silence_libraries
from kneebundle.dicom_node.web_session import HalfAnswerError, make_session
from kneebundle.dicom_node.web_settings import DicomwebServer
from kneebundle.errors import KneeBundleError
from kneebundle.reports.dicom_source import suppress_warnings

__all__ = ["FoundInstance", "FoundSeries", "FoundStudy", "WebClient"]

_MIB = 1 << 20
_PAGE = 100
_MOST_PAGES = 10_000
_NO_ROOM = "failure 0xA7"  # "out of resources"
_AWAY = (401, 407, 429, 503)
_LONGEST_ANSWER_S = 600.0


@dataclass(frozen=True)
class FoundStudy:
    """A study that a server has, and how many instances, if it says so."""

    uid: str
    instances: int | None


@dataclass(frozen=True)
class FoundSeries:
    """UIDs of a series that a server has."""

    study: str
    uid: str


@dataclass(frozen=True)
class FoundInstance:
    """UIDs of an instance that a server has."""

    study: str
    series: str
    uid: str


class _StatusError(Exception):
    """An HTTP status that is no success."""

    def __init__(self, response: Any) -> None:
        self.status, self.response = int(response.status_code), response
        super().__init__(f"answers with HTTP {self.status}")


class WebClient:
    """A client of one server, for one thread.

    Args:
        server: the other side.
        timeout_s: for connecting, and between two pieces of an answer.
        should_stop: ends an answer that is being read.
        largest_mib: largest film.

    Raises:
        KneeBundleError: if dicomweb-client is not installed.
    """

    def __init__(
        self,
        server: DicomwebServer,
        timeout_s: float = 30.0,
        should_stop: Callable[[], bool] = lambda: False,
        largest_mib: int = 256,
    ) -> None:
        try:
            from dicomweb_client import DICOMwebClient
        except ImportError as error:
            raise KneeBundleError(
                'DICOMweb needs dicomweb-client; install it with: pip install "kneebundle[dicom]"', field="dicom"
            ) from error
        silence_libraries()
        self._deadline = 0.0
        session = make_session(
            server, (largest_mib + 1) * _MIB, lambda: should_stop() or time.monotonic() > self._deadline
        )
        self._client = DICOMwebClient(server.url, session=session, timeout=timeout_s)
        self._client.set_http_retry_params(retry=False)  # whoever calls waits and tries again

    def search_studies(self, modality: str, dates: str) -> list[FoundStudy]:
        """Search for studies.

        Raises:
            PacsAwayError: if the server cannot be asked now.
        """
        filters = {"ModalitiesInStudy": modality, "StudyDate": dates}
        try:
            found = self._search(
                "0020000D", self._client.search_for_studies, search_filters=filters, fields=["00201208"]
            )
        except (_StatusError, NotNowError) as error:
            raise PacsAwayError(str(error)) from None
        return [FoundStudy(uid, _read_number(item, "00201208")) for uid, item in found.items()]

    def search_instances(self, study: str, modality: str) -> list[FoundInstance]:
        """Search for the instances of a study in its series of a modality.

        Raises:
            PacsAwayError: if the server cannot be asked now.
            NotNowError: if this study cannot be looked into now.
        """
        with self._only_this_one():
            filters = {"Modality": modality}
            found = []
            for series, item in self._search(
                "0020000E", self._client.search_for_series, study_instance_uid=study, search_filters=filters
            ).items():
                if _read_value(item, "00080060") not in (None, modality):
                    continue  # some servers do not filter
                found += self.search_series_instances(FoundSeries(study, series))
            return found

    def search_series(self, modality: str) -> list[FoundSeries]:
        """Search for all series of a modality.

        Raises:
            PacsAwayError: if the server cannot be asked now.
        """
        try:
            found = self._search("0020000E", self._client.search_for_series, search_filters={"Modality": modality})
        except (_StatusError, NotNowError) as error:
            raise PacsAwayError(str(error)) from None
        return [FoundSeries(str(_read_value(item, "0020000D")), uid) for uid, item in found.items()]

    def search_series_instances(self, series: FoundSeries) -> list[FoundInstance]:
        """Search for the instances of a series.

        Raises:
            PacsAwayError: if the server cannot be asked now.
            NotNowError: if this series cannot be looked into now.
        """
        with self._only_this_one():
            uids = self._search(
                "00080018",
                self._client.search_for_instances,
                study_instance_uid=series.study,
                series_instance_uid=series.uid,
            )
        return [FoundInstance(series.study, series.uid, uid) for uid in uids]

    def fetch(self, instance: FoundInstance) -> bytes:
        """Fetch an instance as a DICOM file, encoded as the server has it.

        Raises:
            PacsAwayError: if the server cannot be asked now.
            NotNowError: if this instance cannot be had now, or is none.
        """
        with self._only_this_one():
            with self._ask(), suppress_warnings():
                dataset = self._client.retrieve_instance(instance.study, instance.series, instance.uid)
                if str(dataset.SOPInstanceUID) != instance.uid:
                    raise NotNowError("answers with another instance than the one it was asked for")
                content = BytesIO()
                dataset.save_as(content)
            return content.getvalue()

    def connect(self) -> None:
        """Do nothing: every request is a connection."""

    def close(self) -> None:
        """Do nothing."""

    def send(self, item: Path) -> None:
        """Send an object by STOW-RS; when this returns the server has it.

        Raises:
            PacsAwayError: if the server cannot be asked now.
            NotNowError: if the server has trouble with this object.
            RefusedError: if the server does not take it.
        """
        from pydicom import dcmread

        try:
            with self._ask(), suppress_warnings():
                dataset = dcmread(item)
                answer = self._client.store_instances([dataset])
        except _StatusError as error:
            if error.status >= 500 or error.status in (403, 408):
                raise NotNowError(str(error)) from None
            if error.status == 404:
                raise PacsAwayError("has no DICOMweb at this address (HTTP 404)") from None
            reason = _read_failure(_parse_answer(error.response))
            if reason is not None and reason.startswith(_NO_ROOM):
                raise PacsAwayError("has no room") from None
            raise RefusedError(f"HTTP {error.status}" if reason is None else f"HTTP {error.status}, {reason}") from None
        reason = _read_failure(answer)
        stored = [str(item.get("ReferencedSOPInstanceUID")) for item in answer.get("ReferencedSOPSequence") or []]
        if reason is None and len(answer) > 0 and str(dataset.SOPInstanceUID) not in stored:
            raise NotNowError("does not say that it has what it was sent")
        if reason is not None:
            if reason.startswith(_NO_ROOM):
                raise PacsAwayError("has no room")
            raise RefusedError(reason)

    def _search(self, tag: str, search: Callable[..., list[dict]], **what: Any) -> dict[str, dict]:
        """Search page by page; what was found, by the UID in ``tag``."""
        found: dict[str, dict] = {}
        offset = 0
        for _ in range(_MOST_PAGES):
            with self._ask():
                items = search(limit=_PAGE, offset=offset, **what)
                page = {str(uid): item for item in items if (uid := _read_value(item, tag))}
            if not page.keys() - found.keys():  # the end, or a server that knows no offset
                return found
            found.update(page)
            offset += len(items)
        return found

    @contextmanager
    def _only_this_one(self) -> Iterator[None]:
        try:
            yield
        except _StatusError as error:
            raise NotNowError(str(error)) from None

    @contextmanager
    def _ask(self) -> Iterator[None]:
        """Say in words of this package what goes wrong with a request; the words of others have UIDs in them."""
        import requests

        self._deadline = time.monotonic() + _LONGEST_ANSWER_S
        try:
            yield
        except (NotNowError, PacsAwayError):
            raise
        except requests.HTTPError as error:
            failure = _StatusError(error.response)
            if failure.status in _AWAY:
                why = "refuses the password or token" if failure.status in (401, 407) else "is busy"
                raise PacsAwayError(f"{why} (HTTP {failure.status})") from None
            raise failure from None
        except requests.exceptions.SSLError:
            raise PacsAwayError("has no certificate that is trusted, or speaks no TLS") from None
        except requests.TooManyRedirects:
            raise PacsAwayError("sends on to another address; give that one") from None
        except requests.ReadTimeout:
            raise NotNowError("gave no answer in time") from None
        except HalfAnswerError as error:
            raise NotNowError(str(error)) from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.InvalidURL):
            raise PacsAwayError("cannot be reached") from None
        except Exception as error:  # whatever is raised over an answer that is none
            raise NotNowError(f"gives an answer that cannot be read ({type(error).__name__})") from None


def _read_value(item: dict, tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _read_number(item: dict, tag: str) -> int | None:
    try:
        return int(_read_value(item, tag))
    except (TypeError, ValueError):
        return None


def _parse_answer(response: Any) -> Any:
    from pydicom import Dataset

    try:
        return Dataset.from_json(response.json())
    except Exception:  # no JSON, or no DICOM
        return Dataset()


def _read_failure(answer: Any) -> str | None:
    """Why the server did not take the one object; None where its answer says nothing of the kind."""
    for keyword in ("FailedSOPSequence", "OtherFailuresSequence"):
        for item in answer.get(keyword) or []:
            code = item.get("FailureReason")
            return "it says no reason" if code is None else f"failure 0x{int(code):04X}"
    return None
