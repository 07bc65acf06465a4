"""What a node can be told of DICOMweb."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch, is_loopback
from kneebundle.errors import KneeBundleError


@pytest.mark.parametrize(
    "url",
    ["", "pacs", "ftp://pacs", "http://", "http://pacs:port/x", "http://pacs:99999", "http://pa cs/", "http://p?x"],
)
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(KneeBundleError, match="HOST:PORT/PATH"):
        DicomwebServer(url)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "https://knee:s3cret@pacs/"}, "user or password in it"),
        ({"user": "knee"}, "password .* is missing"),
        ({"password": "s3cret"}, "user .* is missing"),
        ({"user": "knee", "password": "s3cret", "token": "s3cret"}, "one of them"),
        ({"authority": Path("/no/such.pem")}, "no such file"),
    ],
)
def test_secrets_that_do_not_fit_are_an_error_that_does_not_say_them(given: dict[str, Any], said: str) -> None:
    with pytest.raises(KneeBundleError, match=said) as caught:
        DicomwebServer(**{"url": "https://pacs", **given})
    assert "s3cret" not in str(caught.value)


def test_secrets_are_not_in_what_is_printed_of_a_server() -> None:
    assert "s3cret" not in repr(DicomwebServer("https://pacs", "knee", "s3cret"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [("http://pacs/", True), ("https://pacs/", False), ("http://127.0.0.1:8042/x", False), ("http://[::1]/", False)],
)
def test_a_secret_over_http_is_known(url: str, shown: bool) -> None:
    assert DicomwebServer(url, token="x").shows_secret is shown
    assert not DicomwebServer(url).shows_secret


@pytest.mark.parametrize("text", ["20260101", "20260101-", "-20260131", "20260101-20260131"])
def test_ranges_of_dates_are_taken(text: str) -> None:
    assert FilmSearch(study_date=text).get_dates(datetime.date(2026, 3, 1)) == text


@pytest.mark.parametrize("text", ["", "-", "2026", "20261301", "2026010120260102", "20260201-20260101", "2026-01-01"])
def test_what_is_no_range_is_an_error(text: str) -> None:
    with pytest.raises(KneeBundleError, match="range of dates"):
        FilmSearch(study_date=text)


def test_days_are_counted_back_from_today() -> None:
    assert FilmSearch(days=1).get_dates(datetime.date(2026, 3, 1)) == "20260228-"
    assert FilmSearch(days=10**9).get_dates(datetime.date(2026, 3, 1)) == "19000101-"


@pytest.mark.parametrize("modalities", [[], ["dx"], ["DX&x=1"]])
def test_modalities_are_checked(modalities: list[str]) -> None:
    with pytest.raises(KneeBundleError):
        FilmSearch(modalities)


def test_names_and_addresses_of_this_machine_are_known() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.1.2.3", "::1"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "", "127.0.0.1.example", "10.0.0.1"]))
