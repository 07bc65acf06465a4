"""A node between a sender and a PACS, all in this process, with a pipeline without networks."""

from __future__ import annotations

import json
import logging
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage

from kneebundle.dicom_node.film_queue import FilmQueue, hash_uid
from kneebundle.errors import KneeBundleError
from tests.batch.fakes import FakePipeline
from tests.dicom_node.fakes import (
    NAME,
    FakePacs,
    count,
    find_free_port,
    running_node,
    send,
    send_echo,
    wait_for,
    write_knee,
)

pytest.importorskip("pynetdicom")


class Gate(FakePipeline):
    """Predicts when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.asked = threading.Event(), threading.Event()

    def predict_batch(self, radiographs):  # type: ignore[no-untyped-def]
        self.asked.set()
        assert self.open.wait(10)
        return super().predict_batch(radiographs)


def read_metrics(page: str) -> dict[str, float]:
    with urllib.request.urlopen(page + "metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def test_results_come_into_the_study_of_the_film_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    film = write_knee(tmp_path / "a.dcm")
    source = dcmread(film)
    pacs = FakePacs(find_free_port())
    with running_node(tmp_path / "queue", pacs._server.socket.getsockname()[1]) as (_, port, page):
        assert send(port, [film, film]) == [0, 0]
        wait_for(lambda: count(tmp_path / "queue")["done"])
        assert send(port, [film]) == [0]
        metrics = read_metrics(page)
        with urllib.request.urlopen(page) as answer:
            text = answer.read().decode()
    pacs.stop()
    assert len(pacs.arrived) == len(pacs.stored) == 3
    found = {dataset.Modality: dataset for dataset in pacs.stored.values()}
    assert set(found) == {"SR", "PR", "OT"}
    for dataset in found.values():
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
            assert dataset[keyword].value == source[keyword].value
        assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
    picture = found["OT"]
    assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert np.ptp(picture.pixel_array, axis=2).max() > 0  # something is drawn in colour
    assert metrics["kneebundle_films_received_total"] == 1
    assert metrics["kneebundle_films_resent_total"] == 2
    assert metrics['kneebundle_objects_sent_total{kind="sr"}'] == 1
    assert metrics['kneebundle_films{folder="done"}'] == 1
    assert metrics["kneebundle_pacs_reached"] == 1
    said = caplog.text + text + json.dumps(metrics)
    said += "".join(path.read_text() for path in (tmp_path / "queue").rglob("*.json"))
    assert hash_uid(source.SOPInstanceUID) in said
    assert not [word for word in (NAME, "Mustermann", "4711", str(source.SOPInstanceUID)) if word in said]


def test_results_made_again_are_the_same_instances(tmp_path: Path) -> None:
    film = write_knee(tmp_path / "a.dcm")
    pacs = FakePacs(find_free_port())
    for queue in ("first", "second"):
        with running_node(tmp_path / queue, pacs._server.socket.getsockname()[1]) as (_, port, _page):
            send(port, [film])
            wait_for(lambda: count(tmp_path / queue)["done"])  # noqa: B023
    pacs.stop()
    assert (len(pacs.arrived), len(pacs.stored)) == (6, 3)


def test_what_cannot_be_used_fails_alone_and_says_why(tmp_path: Path) -> None:
    ct = write_knee(tmp_path / "ct.dcm", Modality="CT", SOPClassUID=CTImageStorage)
    dark = write_knee(tmp_path / "dark.dcm", grey=5)
    fault = write_knee(tmp_path / "fault.dcm", grey=260)
    good = write_knee(tmp_path / "good.dcm")
    pacs = FakePacs(find_free_port())
    queue = tmp_path / "queue"
    with running_node(queue, pacs._server.socket.getsockname()[1]) as (_, port, _page):
        assert send(port, [ct, dark, fault, good]) == [0, 0, 0, 0]
        wait_for(lambda: sum(count(queue)[name] for name in ("done", "failed")) == 4)
        # a result that a PACS routes back is no film
        back = next(dataset for dataset in pacs.stored.values() if dataset.Modality == "OT")
        back.save_as(tmp_path / "back.dcm", enforce_file_format=True)
        assert send(port, [tmp_path / "back.dcm"]) == [0]
        wait_for(lambda: count(queue)["failed"] == 4)
    pacs.stop()
    assert len(pacs.stored) == 3
    reasons = {
        name: json.loads((queue / "failed" / f"{hash_uid(dcmread(tmp_path / name).SOPInstanceUID)}.json").read_text())
        for name in ("ct.dcm", "dark.dcm", "fault.dcm", "back.dcm")
    }
    assert "modality CT" in reasons["ct.dcm"]["reason"]
    assert "no knee was found" in reasons["dark.dcm"]["reason"]
    assert "fault of this program (ZeroDivisionError in fakes.py" in reasons["fault.dcm"]["reason"]
    assert "a result of this program" in reasons["back.dcm"]["reason"]
    kept = [path.stem for path in queue.glob("failed/*.dcm")]  # only where the program is to blame
    assert kept == [hash_uid(dcmread(fault).SOPInstanceUID)]


def test_results_wait_while_the_pacs_is_away(tmp_path: Path) -> None:
    port_of_pacs, queue = find_free_port(), tmp_path / "queue"
    films = [write_knee(tmp_path / f"{grey}.dcm", grey) for grey in (100, 101)]
    with running_node(queue, port_of_pacs) as (node, port, page):
        assert send(port, films) == [0, 0]
        wait_for(lambda: count(queue)["sending"] == 2 and node.counters.total("send_failures_total") > 1)
        assert read_metrics(page)["kneebundle_pacs_reached"] == 0
        pacs = FakePacs(port_of_pacs)
        wait_for(lambda: count(queue)["done"] == 2)
    pacs.stop()
    assert len(pacs.arrived) == len(pacs.stored) == 6


def test_a_pacs_without_room_gets_the_results_later_and_one_that_refuses_does_not(tmp_path: Path) -> None:
    pacs = FakePacs(find_free_port())
    port_of_pacs, queue = pacs._server.socket.getsockname()[1], tmp_path / "queue"
    pacs.status = 0xA700
    with running_node(queue, port_of_pacs) as (_, port, _page):
        send(port, [write_knee(tmp_path / "a.dcm")])
        wait_for(lambda: pacs.arrived)
        assert count(queue)["sending"] == 1
        pacs.status = 0
        wait_for(lambda: count(queue)["done"])
        pacs.status = 0xC000
        send(port, [write_knee(tmp_path / "b.dcm", 101)])
        wait_for(lambda: count(queue)["failed"])
    (state,) = queue.glob("failed/*.json")
    assert json.loads(state.read_text())["reason"].startswith("the PACS refused gsps: status 0xC000; sc:")
    pacs.status = 0
    with running_node(queue, port_of_pacs, retry_failed=True):
        wait_for(lambda: count(queue)["done"] == 2)
    pacs.stop()
    assert len(pacs.stored) == 6


def test_a_kind_that_the_pacs_does_not_know_is_the_only_one_that_is_refused(tmp_path: Path) -> None:
    pacs = FakePacs(find_free_port(), without=["1.2.840.10008.5.1.4.1.1.88.33"])
    queue = tmp_path / "queue"
    with running_node(queue, pacs._server.socket.getsockname()[1]) as (_, port, _page):
        send(port, [write_knee(tmp_path / "a.dcm")])
        wait_for(lambda: count(queue)["failed"])
    pacs.stop()
    assert {dataset.Modality for dataset in pacs.stored.values()} == {"PR", "OT"}
    (state,) = queue.glob("failed/*.json")
    assert json.loads(state.read_text())["reason"] == "the PACS refused sr: it takes no objects of this kind"


def test_only_allowed_senders_are_heard(tmp_path: Path) -> None:
    film = write_knee(tmp_path / "a.dcm")
    with running_node(tmp_path / "queue", find_free_port()) as (node, port, _page):
        assert send(port, [film], calling="STRANGER") == [None]
        assert send(port, [film], called="OTHER") == [None]
        assert send_echo(port, "STRANGER") is None
        wait_for(lambda: node.counters.total("films_refused_total") == 3)
        assert send_echo(port, "ROUTER") == 0
    assert sum(count(tmp_path / "queue").values()) == 0


def test_too_large_a_film_ends_the_connection(tmp_path: Path) -> None:
    film = write_knee(tmp_path / "a.dcm", ImageComments="x" * 2_000_000)
    with running_node(tmp_path / "queue", find_free_port(), largest_mib=1) as (node, port, _page):
        assert send(port, [film]) == [None]
        assert send(port, [write_knee(tmp_path / "b.dcm")]) == [0]
        assert node.counters.total("films_refused_total") == 1


def test_a_full_queue_asks_to_come_back_later(tmp_path: Path) -> None:
    films = [write_knee(tmp_path / f"{grey}.dcm", grey) for grey in (100, 101)]
    with running_node(tmp_path / "queue", find_free_port(), most_waiting=1) as (_, port, _page):
        assert send(port, films) == [0, 0xA700]
    with running_node(tmp_path / "other", find_free_port(), least_free_mib=10**12) as (_, port, _page):
        assert send(port, films[:1]) == [0xA700]


def test_it_stops_after_the_film_at_work(tmp_path: Path) -> None:
    gate, queue = Gate(), tmp_path / "queue"
    films = [write_knee(tmp_path / f"{grey}.dcm", grey) for grey in (100, 101)]
    with running_node(queue, find_free_port(), gate) as (node, port, _page):
        send(port, films)
        assert gate.asked.wait(5)
        node.stop()
        gate.open.set()
    assert count(queue) == {"received": 1, "working": 0, "sending": 1, "done": 0, "failed": 0}


def test_one_node_a_queue(tmp_path: Path) -> None:
    with running_node(tmp_path / "queue", find_free_port()) as (node, _port, _page):
        from kneebundle.dicom_node.node import DicomNode

        with pytest.raises(KneeBundleError, match="another run is at work"):
            DicomNode(tmp_path / "queue", node.settings, FakePipeline).run()


def test_a_film_that_ends_the_process_each_time_is_put_aside(tmp_path: Path) -> None:
    queue, pipeline = tmp_path / "queue", FakePipeline()
    film = write_knee(tmp_path / "a.dcm")
    before = FilmQueue(queue)
    before.add(str(dcmread(film).SOPInstanceUID), film.read_bytes())
    for _ in range(3):  # processes that died over it
        assert before.take() is not None
        before.recover()
    with running_node(queue, find_free_port(), pipeline):
        wait_for(lambda: count(queue)["failed"])
    assert not pipeline.seen
    assert len(list(queue.glob("failed/*.dcm"))) == 1
    with running_node(queue, find_free_port(), pipeline, retry_failed=True):
        wait_for(lambda: count(queue)["sending"])
    assert len(pipeline.seen) == 1


def test_an_object_that_cannot_be_written_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError(NAME)

    monkeypatch.setattr("kneebundle.batch.image_files.write_structured_report", fail)
    pacs, queue = FakePacs(find_free_port()), tmp_path / "queue"
    with running_node(queue, pacs._server.socket.getsockname()[1]) as (_, port, _page):
        send(port, [write_knee(tmp_path / "a.dcm")])
        wait_for(lambda: count(queue)["done"])
    pacs.stop()
    assert {dataset.Modality for dataset in pacs.stored.values()} == {"PR", "OT"}
    (state,) = queue.glob("done/*.json")
    assert json.loads(state.read_text())["not_written"] == ["sr"]
    assert "Mustermann" not in state.read_text()
