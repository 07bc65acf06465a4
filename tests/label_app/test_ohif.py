"""What OHIF's panel for MONAI Label 0.8.5 asks, and what it needs of the answers, against a real DICOMweb server.

The requests are those of the panel that MONAI Label ships (its MonaiLabelClient, MonaiLabelPanel and
SegmentationReader); OHIF itself needs a browser with WebGL and was not run.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from kneebundle.label_app.folder import LANDMARKS, PLANNING, write_app
from tests.dicom_node.fakes import find_free_port
from tests.dicom_node.orthanc import DICOMWEB, PASSWORD, PROGRAM, USER, Orthanc
from tests.label_app.server import Server, label_environment, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None or DICOMWEB is None, reason="needs Orthanc: apt-get install orthanc-dicomweb"),
]

OF_OHIF = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False, "restore_label_idx": False}
VIEWER = "http://viewer.example:3000"


@pytest.fixture(scope="module")
def films(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By SeriesInstanceUID, each a series of its own."""
    found = {}
    for name in ("films/film_0.dcm", "lateral/lateral_1.dcm"):
        dataset = dcmread(repository / "samples" / name)
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[name])
        path = tmp_path_factory.mktemp("films") / Path(name).name
        dataset.save_as(path, enforce_file_format=True)
        found[str(dataset.SeriesInstanceUID)] = path
    return found


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, films: dict[str, Path]) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path_factory.mktemp("pacs") / "orthanc", find_free_port(), dicomweb=True)
    try:
        made.start()
        for film in films.values():
            made.store(film)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("label")
    write_app(home / "app")
    studies: Any = f"http://127.0.0.1:{orthanc.http}/dicom-web"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONAI_LABEL_DICOMWEB_USERNAME", USER)
        patch.setenv("MONAI_LABEL_DICOMWEB_PASSWORD", PASSWORD)
        options = ("--conf", "models", "all", "--conf", "origins", VIEWER)
        programs = label_environment(repository)
        with running_server(programs, home / "app", studies, home / "server.log", *options) as server:
            yield server


def read_nrrd(content: bytes) -> tuple[dict[str, str], np.ndarray]:
    """Fields and bytes, as nrrd-js and SegmentationReader take them."""
    head, _, body = content.partition(b"\n\n")
    lines = [line for line in head.decode("ascii").splitlines() if ": " in line and not line.startswith("#")]
    fields = dict(line.split(": ", 1) for line in lines)
    data = gzip.decompress(body) if fields["encoding"] == "gzip" else body
    return fields, np.frombuffer(data, np.uint8)


def test_info_has_what_the_panel_is_made_of(server: Server, films: dict[str, Path]) -> None:
    info = server.call("GET", "/info/").json
    assert isinstance(info["labels"], list)  # the panel pushes on to it
    offered = [name for name, model in info["models"].items() if model["type"] == "segmentation"]
    assert offered == [PLANNING]  # landmarks are no segments
    labels = info["models"][PLANNING]["labels"]
    assert labels == {"femur": 1, "patella": 2, "tibia": 3, "fibula": 4}
    assert info["name"] and isinstance(info["train_stats"], dict)
    assert info["datastore"]["total"] == len(films) and info["datastore"]["completed"] == 0
    assert "least_confident" in info["strategies"]
    assert server.call("GET", "/train/?check_if_running=true").json.get("status") != "RUNNING"


def test_a_series_of_the_server_gets_a_mask_of_its_pixels(server: Server, films: dict[str, Path]) -> None:
    series = next(uid for uid, path in films.items() if path.name.startswith("lateral"))
    answer = server.call("POST", f"/infer/{PLANNING}?image={series}&output=image", OF_OHIF)
    assert answer.status == 200, answer.body
    fields, values = read_nrrd(answer.body)
    film = dcmread(films[series], stop_before_pixels=True)
    assert fields["type"] in ("unsigned char", "uint8", "uint8_t", "uchar")
    assert fields["sizes"].split() == [str(film.Columns), str(film.Rows), "1"]
    assert values.size == film.Columns * film.Rows
    assert set(np.unique(values)) == {0, 1, 2, 3, 4}


def test_landmarks_of_a_series_are_those_of_its_file(server: Server, films: dict[str, Path]) -> None:
    series = next(uid for uid, path in films.items() if path.name.startswith("film"))
    asked = server.call("POST", f"/infer/{LANDMARKS}?image={series}&output=json", {})
    assert asked.status == 200, asked.body
    sent = server.call("POST", f"/infer/{LANDMARKS}?output=json", {}, ("file", films[series]))
    assert asked.json["image"]["path"] == series
    assert asked.json["image"]["spacing_mm"] == sent.json["image"]["spacing_mm"]
    for one, other in zip(asked.json["knees"], sent.json["knees"], strict=True):
        first, second = ([(p["x_px"], p["y_px"]) for p in knee["landmarks"]] for knee in (one, other))
        np.testing.assert_allclose(first, second, atol=1e-3)


def test_the_next_sample_is_a_series_and_labels_stay_here(
    server: Server, films: dict[str, Path], orthanc: Orthanc, tmp_path: Path
) -> None:
    chosen = server.call("POST", "/activelearning/least_confident", body={}).json["id"]
    assert chosen in films
    series = next(uid for uid, path in films.items() if path.name.startswith("film"))
    document = server.call("POST", f"/infer/{LANDMARKS}?image={series}&output=json", {}).json
    (tmp_path / "label.json").write_text(json.dumps(document))
    saved = server.call("PUT", f"/datastore/label?image={series}&tag=final", {}, ("label", tmp_path / "label.json"))
    assert saved.status == 200, saved.body
    (pair,) = server.call("GET", "/datastore/?output=train").json
    assert Path(pair["image"]).name == f"{series}.dcm"
    assert server.call("GET", "/info/").json["datastore"]["completed"] == 1
    assert server.call("POST", "/activelearning/first", body={}).json["id"] != series
    assert len(orthanc.ask("/instances")) == len(films)


def test_a_series_that_is_not_there_is_said_in_a_line(server: Server) -> None:
    answer = server.call("POST", f"/infer/{PLANNING}?image=1.2.3&output=image", OF_OHIF)
    assert (answer.status, answer.reason) == (404, "there is no image '1.2.3'; send it first, or with the request")


def test_the_viewer_and_its_way_to_the_films_are_served(server: Server, films: dict[str, Path]) -> None:
    page = server.call("GET", "/ohif/")
    assert page.status == 200 and b"app-config.js" in page.body
    answer = server.call("GET", "/proxy/dicom/qido/series?Modality=DX")
    content = gzip.decompress(answer.body) if answer.body.startswith(b"\x1f\x8b") else answer.body  # as browsers do
    found = json.loads(content)
    assert {item["0020000E"]["Value"][0] for item in found} == set(films)


@pytest.mark.parametrize(("origin", "status"), [(VIEWER, 200), ("http://other.example", 403)])
def test_a_viewer_elsewhere_may_ask_where_it_is_named(server: Server, origin: str, status: int) -> None:
    request = Request(f"{server.address}/infer/{PLANNING}", method="OPTIONS")
    request.add_header("Origin", origin)
    request.add_header("Access-Control-Request-Method", "POST")
    try:
        with urlopen(request, timeout=60) as answer:
            found, allowed = answer.status, answer.headers["Access-Control-Allow-Origin"]
    except HTTPError as error:
        found, allowed = error.code, None
    assert (found, allowed) == (status, VIEWER if status == 200 else None)
