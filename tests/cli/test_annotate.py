"""The commands annotate and export-corrections."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle import cli
from kneebundle.annotation.corrections import write_correction
from kneebundle.annotation.films import PredictedFilms
from kneebundle.annotation.page_data import describe_film, make_correction
from kneebundle.annotation.server import AnnotationServer
from kneebundle.cli import annotate
from tests.annotation.studies import make_study


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def accept(out: Path, name: str) -> None:
    films = PredictedFilms(out)
    film = films.scan()[name]
    radiograph = films.open(film)
    items = describe_film(film, None, radiograph)["items"]
    content = {"revision": 0, "items": [{**item, "status": "accepted"} for item in items]}
    write_correction(make_correction(film, radiograph, content, "Ann")[0], out / "corrections", 0)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that a browser was asked for; the server gets Ctrl-C at once."""

    def interrupt(self: AnnotationServer, poll_interval: float = 0.5) -> None:
        raise KeyboardInterrupt

    pages: list[str] = []
    monkeypatch.setattr(AnnotationServer, "serve_forever", interrupt)
    monkeypatch.setattr(annotate.webbrowser, "open", pages.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return pages


def test_the_address_is_printed_and_ctrl_c_is_one_line(
    tmp_path: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = make_study(tmp_path)
    assert run("annotate", out, "--rater", "Ann") == 0
    said = capsys.readouterr()
    assert said.out.startswith("6 radiographs at http://127.0.0.1:")
    assert opened and opened[0] in said.out
    assert said.err.strip() == "stopped; nothing was corrected"
    accept(out, "both")
    assert run("annotate", out, "--rater", "Ann") == 0
    assert capsys.readouterr().err.strip() == f"stopped; the corrections are in {out / 'corrections'}"


def test_no_browser_is_opened_where_none_is_wanted_or_there_is_no_screen(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_study(tmp_path)
    assert run("annotate", out, "--no-open") == 0
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert run("annotate", out) == 0
    assert opened == []


def test_what_is_wrong_is_one_line_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = make_study(tmp_path)
    for arguments, advice in (
        (("annotate", tmp_path / "images"), "run kneebundle predict"),
        (("annotate", tmp_path / "nowhere"), "there is no such folder"),
        (("annotate", out, "--images", tmp_path / "nowhere"), "no such folder of images"),
        (("export-corrections", out, "-o", tmp_path / "set"), "accept or correct predictions first"),
    ):
        assert run(*arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and advice in lines[0]


def test_corrections_are_exported_and_a_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = make_study(tmp_path)
    accept(out, "both")
    accept(out, "implant")
    assert run("export-corrections", out, "-o", tmp_path / "set") == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 knees and 0 lateral radiographs in")
    assert said.err.splitlines() == ["left out implant R: it has no points"]
    assert (tmp_path / "set" / "landmarks.csv").is_file()
