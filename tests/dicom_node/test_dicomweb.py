"""A node between a DICOMweb server and itself: films looked for, fetched, and their results stored."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, generate_uid

from kneebundle.dicom_node.film_queue import hash_uid
from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch
from tests.dicom_node.fake_dicomweb import FakeDicomweb
from tests.dicom_node.fakes import NAME, FakePacs, count, find_free_port, running_node, wait_for, write_knee

pytest.importorskip("dicomweb_client")
pytest.importorskip("pynetdicom")

KINDS = {"SR", "PR", "OT"}
RECENT = "99990101"  # no test waits for the calendar


@pytest.fixture
def server() -> Iterator[FakeDicomweb]:
    made = FakeDicomweb()
    yield made
    made.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result is a small file, so that a test is about the network alone."""

    def make(result: Any, film: Path, kinds: Any, folder: Path) -> tuple[list[str], list[str]]:
        source = dcmread(film, stop_before_pixels=True)
        for kind in kinds:
            made = Dataset()
            made.PatientID, made.StudyInstanceUID = source.PatientID, source.StudyInstanceUID
            made.SOPInstanceUID = generate_uid(entropy_srcs=[str(source.SOPInstanceUID), kind])
            made.SeriesInstanceUID = generate_uid(entropy_srcs=[str(source.SOPInstanceUID), kind, "series"])
            made.SOPClassUID, made.Modality = BasicTextSRStorage, kind.upper()
            made.ReferencedSOPInstanceUID = source.SOPInstanceUID
            made.file_meta = FileMetaDataset()
            made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            made.save_as(folder / f"{kind}.dcm", enforce_file_format=True)
        return list(kinds), []

    monkeypatch.setattr("kneebundle.dicom_node.node.make_objects", make)


def put(server: FakeDicomweb, folder: Path, grey: int, **attributes: Any) -> Dataset:
    known = {"StudyDate": RECENT, "StudyInstanceUID": f"1.2.{grey // 2}", "SeriesInstanceUID": f"1.2.{grey}"}
    return server.put(write_knee(folder / f"{grey}.dcm", grey, **{**known, **attributes}))


def run(queue: Path, server: FakeDicomweb, **settings: Any) -> Any:
    other = {key: settings.pop(key) for key in ("user", "password", "token", "authority") if key in settings}
    address = DicomwebServer(settings.pop("url", server.url), **other)
    search = FilmSearch(pause_s=settings.pop("pause_s", 0.2))
    chosen = {"pacs": address, "source": address, "search": search, "allowed": [], "objects": ["sr"], **settings}
    return running_node(queue, 0, **chosen)


def stored(server: FakeDicomweb) -> list[Dataset]:
    from io import BytesIO

    return [dcmread(BytesIO(content)) for content in server.instances.values()]


def results_by_film(server: FakeDicomweb) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for dataset in stored(server):
        for element in dataset.iterall():
            if element.keyword == "ReferencedSOPInstanceUID" and str(element.value) in server.instances:
                found.setdefault(str(element.value), Counter())[dataset.Modality] += 1
                break
    return found


def test_films_are_found_and_their_results_stored_in_their_studies(
    server: FakeDicomweb, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    films = [put(server, tmp_path, grey) for grey in range(100, 104)]
    put(server, tmp_path, 108, Modality="CT")
    put(server, tmp_path, 110, StudyDate="20010101")
    queue = tmp_path / "queue"
    with run(queue, server, objects=["sr", "gsps", "sc"]) as (node, _, page):
        wait_for(lambda: count(queue)["done"] == 4, 60)
        wait_for(lambda: node.counters.source_reached and node.counters.pacs_reached)  # a busy machine may be late
        from urllib.request import urlopen

        said = urlopen(page).read().decode() + urlopen(page + "metrics").read().decode()
    uids = {str(film.SOPInstanceUID): film for film in films}
    assert set(results_by_film(server)) == set(uids)
    for dataset in stored(server):
        if dataset.Modality in KINDS:
            film = next(film for film in films if film.StudyInstanceUID == dataset.StudyInstanceUID)
            assert dataset.PatientID == film.PatientID and dataset.AccessionNumber == "A1"
    assert all(Counter(kinds.keys()) == Counter(KINDS) for kinds in results_by_film(server).values())
    assert len(server.arrived) == len(set(server.arrived)) == 12
    assert "kneebundle_source_reached 1" in said and "Films are looked for" in said
    ours = [record for record in caplog.records if record.name == "kneebundle.dicom_node"]
    said += "".join(record.getMessage() for record in ours) + "".join(p.read_text() for p in queue.rglob("*.json"))
    assert all(hash_uid(uid) in said for uid in uids)
    assert not [
        word for word in (NAME, "Mustermann", "4711", *uids, *(str(f.StudyInstanceUID) for f in films)) if word in said
    ]
    talk = [r.name for r in caplog.records if r.name.split(".")[0] in ("dicomweb_client", "urllib3", "requests")]
    assert not talk


@pytest.mark.usefixtures("quick")
def test_a_node_that_starts_again_does_nothing_twice(server: FakeDicomweb, tmp_path: Path) -> None:
    for grey in (100, 101):
        put(server, tmp_path, grey)
    queue = tmp_path / "queue"
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 2)
    asked = len(server.asked)
    with run(queue, server):
        put(server, tmp_path, 102)
        wait_for(lambda: count(queue)["done"] == 3)
    fetched = [line for line in server.asked[asked:] if "/instances/" in line]
    assert len(fetched) == 1 and len(server.arrived) == 3


@pytest.mark.usefixtures("quick")
def test_studies_with_nothing_new_are_not_looked_into_again(server: FakeDicomweb, tmp_path: Path) -> None:
    put(server, tmp_path, 100)
    queue = tmp_path / "queue"
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 1)
        looks = lambda: sum("ModalitiesInStudy=DX" in line for line in server.asked)  # noqa: E731
        after = looks()
        wait_for(lambda: looks() >= after + 4)  # the results have come to the study meanwhile
        into = sum("/series?" in line for line in server.asked)
        after = looks()
        wait_for(lambda: looks() >= after + 6)
        assert sum("/series?" in line for line in server.asked) == into
        put(server, tmp_path, 101, StudyInstanceUID="1.2.50")
        wait_for(lambda: count(queue)["done"] == 2)


@pytest.mark.usefixtures("quick")
def test_a_server_without_pages_and_counts_is_enough(server: FakeDicomweb, tmp_path: Path) -> None:
    server.pages = server.counts = False
    for grey in range(100, 105):
        put(server, tmp_path, grey)
    with run(tmp_path / "queue", server):
        wait_for(lambda: count(tmp_path / "queue")["done"] == 5)
    assert len(server.arrived) == 5


def fail_first(times: int, what: int | str, where: str) -> Callable[[str, str], int | str | None]:
    left = [times]

    def fault(method: str, path: str) -> int | str | None:
        if where in f"{method} {path}" and left[0] > 0:
            left[0] -= 1
            return what
        return None

    return fault


QIDO, WADO, STOW = "GET /dicom-web/studies", "/instances/", "POST"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("what", "where"),
    [
        *[(500, QIDO), (404, QIDO), ("cut", QIDO), ("garbage", QIDO), ("away", QIDO), ("redirect", QIDO)],
        *[(500, WADO), (503, WADO), (404, WADO), ("cut", WADO), ("slow", WADO), ("garbage", WADO), ("away", WADO)],
        *[(500, STOW), (429, STOW), (403, STOW), ("cut", STOW), ("slow", STOW), ("garbage", STOW), ("redirect", STOW)],
    ],
)
def test_what_goes_wrong_at_the_server_is_tried_again(
    server: FakeDicomweb, tmp_path: Path, what: int | str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("finder._FIRST_WAIT_S", "finder._FIRST_PAUSE_S", "sender._FIRST_PAUSE_S"):
        monkeypatch.setattr(f"kneebundle.dicom_node.{name}", 0.1)
    films = [put(server, tmp_path, grey) for grey in (100, 101)]
    server.fault = fail_first(2, what, where)
    queue = tmp_path / "queue"
    with run(queue, server, timeout_s=0.7 if what == "slow" else 5.0) as (node, _, _page):
        wait_for(lambda: count(queue)["done"] == 2)
        counted = "send_failures_total" if where == "POST" else "fetch_failures_total"
        assert node.counters.total(counted) > 0
    assert set(results_by_film(server)) == {str(film.SOPInstanceUID) for film in films}
    assert len(set(server.arrived)) == 2


@pytest.mark.usefixtures("quick")
def test_an_answer_without_end_is_given_up(server: FakeDicomweb, tmp_path: Path) -> None:
    film = put(server, tmp_path, 100)
    put(server, tmp_path, 101)
    server.fault = lambda method, path: "long" if film.SOPInstanceUID in path else None
    queue = tmp_path / "queue"
    with run(queue, server, largest_mib=1) as (node, _, _page):
        wait_for(lambda: count(queue)["done"] == 1 and node.counters.total("films_refused_total") == 1)
    assert len(server.arrived) == 1


@pytest.mark.usefixtures("quick")
def test_one_instance_that_cannot_be_had_keeps_no_other_waiting(server: FakeDicomweb, tmp_path: Path) -> None:
    film = put(server, tmp_path, 100)
    for grey in (101, 102, 104):
        put(server, tmp_path, grey)
    server.fault = lambda method, path: 500 if film.SOPInstanceUID in path else None
    queue = tmp_path / "queue"
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 3)
        tries = sum(film.SOPInstanceUID in line for line in server.asked)
        looks = len(server.asked)
        wait_for(lambda: len(server.asked) > looks + 6)
        assert sum(film.SOPInstanceUID in line for line in server.asked) <= tries + 1  # not with every look


@pytest.mark.usefixtures("quick")
def test_studies_that_cannot_be_looked_into_keep_no_other_waiting(server: FakeDicomweb, tmp_path: Path) -> None:
    films = [put(server, tmp_path, grey) for grey in range(100, 114, 2)]
    bad = {str(film.StudyInstanceUID) for film in films[:5]}
    server.fault = lambda method, path: 500 if path.endswith("/series") and path.split("/")[3] in bad else None
    queue = tmp_path / "queue"
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 2, 30)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("poisoned", [1, 4])
def test_http_500_for_some_films_lets_the_others_through(
    server: FakeDicomweb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poisoned: int
) -> None:
    monkeypatch.setattr("kneebundle.dicom_node.sender._FIRST_PAUSE_S", 0.1)
    films = [put(server, tmp_path, grey) for grey in range(100, 112, 2)]
    bad = {str(film.StudyInstanceUID) for film in films[:poisoned]}
    server.refuse = lambda dataset: -1 if str(dataset.StudyInstanceUID) in bad else None
    queue = tmp_path / "queue"
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 6 - poisoned)
        wait_for(lambda: count(queue)["sending"] == poisoned)
        bad.clear()
        wait_for(lambda: count(queue)["done"] == 6)


@pytest.mark.usefixtures("quick")
def test_an_object_that_the_server_refuses_costs_no_other_and_is_sent_again_on_demand(
    server: FakeDicomweb, tmp_path: Path
) -> None:
    put(server, tmp_path, 100)
    server.refuse = lambda dataset: 0x0122 if dataset.Modality == "GSPS" else None
    queue = tmp_path / "queue"
    with run(queue, server, objects=["sr", "gsps"]):
        wait_for(lambda: count(queue)["failed"])
    (state,) = queue.glob("failed/*.json")
    assert json.loads(state.read_text())["reason"] == "the PACS refused gsps: HTTP 409, failure 0x0122"
    assert {dataset.Modality for dataset in stored(server)} == {"DX", "SR"}
    server.refuse = lambda dataset: None
    with run(queue, server, retry_failed=True):
        wait_for(lambda: count(queue)["done"])
    assert {dataset.Modality for dataset in stored(server)} == {"DX", "SR", "GSPS"}
    put(server, tmp_path, 102)
    answers = iter([0xA700])  # no room: later
    server.refuse = lambda dataset: next(answers, None)
    with run(queue, server):
        wait_for(lambda: count(queue)["done"] == 2)


@pytest.mark.parametrize(
    ("authorization", "given"),
    [
        ("Basic a25lZTpzJiRlY3LDqXQ=", {"user": "knee", "password": "s&$ecrét"}),
        ("Bearer abc.def", {"token": "abc.def"}),
    ],
)
@pytest.mark.usefixtures("quick")
def test_secrets_are_shown_to_the_server_and_to_nobody_else(
    tmp_path: Path, authorization: str, given: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = FakeDicomweb(authorization=authorization)
    put(server, tmp_path, 100)
    queue = tmp_path / "queue"
    try:
        with run(queue, server) as (node, _, _page):
            wait_for(lambda: node.counters.source_reached is False)
        assert "refuses the password or token (HTTP 401)" in caplog.text
        with run(queue, server, **given):
            wait_for(lambda: count(queue)["done"])
        server.fault = lambda method, path: "redirect"
        with run(tmp_path / "other", server, **given) as (node, _, _page):
            wait_for(lambda: node.counters.source_reached is False)
    finally:
        server.stop()
    assert "sends on to another address" in caplog.text
    for secret in ("ecrét", "abc.def", "a25lZT"):
        assert secret not in caplog.text


@pytest.mark.usefixtures("quick")
def test_the_certificate_of_the_server_is_checked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    import ssl

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    from tests.dicom_node.test_node_settings import make_certificate

    files = make_certificate(tmp_path, "ours")
    strange = make_certificate(tmp_path, "strange")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate, files.key)
    server = FakeDicomweb(tls=tls)
    url = server.url.replace("http:", "https:")
    put(server, tmp_path, 100)
    try:
        for authority in (None, strange.certificate):
            with run(tmp_path / "queue", server, url=url, authority=authority) as (node, _, _page):
                wait_for(lambda: node.counters.source_reached is False)
        assert "has no certificate that is trusted" in caplog.text and not server.asked
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(strange.certificate))
        with run(tmp_path / "queue", server, url=url, authority=files.certificate):
            wait_for(lambda: count(tmp_path / "queue")["done"])
    finally:
        server.stop()


def test_films_of_a_dicomweb_server_may_go_to_a_pacs(server: FakeDicomweb, tmp_path: Path) -> None:
    put(server, tmp_path, 100)
    pacs = FakePacs(find_free_port())
    from kneebundle.dicom_node.node_settings import Peer

    with run(tmp_path / "queue", server, pacs=Peer("PACS", "127.0.0.1", pacs._server.socket.getsockname()[1])):
        wait_for(lambda: count(tmp_path / "queue")["done"])
    pacs.stop()
    assert len(pacs.stored) == 1 and len(server.instances) == 1
