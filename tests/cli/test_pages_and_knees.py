"""Predict with pages that are opened, and standardize, as they are called."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import pytest

from kneebundle import cli
from kneebundle.cli.browser import show_page
from kneebundle.pipelines.by_view import PipelinesByView
from tests.batch.fakes import FakePipeline, write_picture


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run the command line with the pipeline that has no networks: exit code, stdout, lines of stderr."""
    monkeypatch.setattr(PipelinesByView, "from_bundles", lambda _: FakePipeline())

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(a) for a in arguments])
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if " images after " not in line]  # how far a slow run is
        return int(stopped.value.code or 0), said.out, lines

    return run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser is asked to show, on a machine without a screen."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", asked.append)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return asked


def test_pages_are_made_and_the_address_is_said_without_a_screen(  # type: ignore[no-untyped-def]
    tmp_path: Path, call, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "in" / "index.png", 100)
    write_picture(tmp_path / "in" / "dark.png", 3)
    arguments = ("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--formats", "json,csv,html")
    code, out, err = call(*arguments, "--open")
    assert code == 1 and any("dark.png" in line for line in err)
    assert f"page: {(tmp_path / 'out' / 'index.html').as_uri()}" in out and opened == []
    page = (tmp_path / "out" / "index-2.html").read_text()  # an image called index gets a page of its own
    assert "<h1>index.png</h1>" in page
    assert (tmp_path / "out" / "thumbnails" / "index-2.jpg").exists()
    index = (tmp_path / "out" / "index.html").read_text()
    assert "index-2.html" in index and "no knee was found" in index
    monkeypatch.setenv("DISPLAY", ":0")
    call(*arguments, "--open")
    assert opened == [(tmp_path / "out" / "index.html").as_uri()]


def test_a_page_that_is_gone_is_made_again_and_the_index_has_all(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    for name in "ab":
        write_picture(tmp_path / "in" / f"{name}.png", 100 + ord(name))
    out = tmp_path / "out"
    common = ("-o", out, "--spacing", "0.5", "--formats", "json,html")
    call("predict", tmp_path / "in", *common)
    (out / "a.html").unlink()
    code, said, _ = call("predict", tmp_path / "in" / "a.png", *common)
    assert code == 0 and said.startswith("1 done, 0 done before") and (out / "a.html").exists()
    index = (out / "index.html").read_text()
    assert "a.html" in index and "b.html" in index


def test_open_needs_pages(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    code, _, err = call("predict", tmp_path, "-o", tmp_path / "out", "--open")
    assert code == 2 and err == ["kneebundle: --open shows index.html; ask for it with --formats json,csv,html"]


def test_standardize_from_predictions_and_from_radiographs(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in" / "a.png", 100)
    write_picture(tmp_path / "in" / "b.png", 20)
    call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--side", "L")
    options = ("--pixel", "0.25", "--size", "20", "25")
    code, out, err = call("standardize", tmp_path / "out", "-o", tmp_path / "std", *options)
    assert (code, err) == (0, []) and out.startswith("2 radiographs done, 0 done before, 0 refused")
    lines = (tmp_path / "std" / "standardized.csv").read_text().splitlines()
    assert lines[1].split(",")[1:4] == ["L", "a_L.png", ""]
    assert lines[2].split(",")[1:4] == ["L", "", "a dark radiograph"]
    assert call("standardize", tmp_path / "out", "-o", tmp_path / "std", *options)[1].startswith(
        "0 radiographs done, 2 "
    )
    code, _, err = call("standardize", tmp_path / "out", tmp_path / "in", "-o", tmp_path / "both", *options)
    assert code == 2 and "either output folders of kneebundle predict, or radiographs" in err[0]
    radiograph = (tmp_path / "in" / "a.png", "--spacing", "0.5", "--side", "L")
    assert call("standardize", *radiograph, "-o", tmp_path / "direct", *options)[0] == 0
    for file in ("a_L.png", "a.json"):
        assert (tmp_path / "direct" / file).exists()
    assert (tmp_path / "direct" / "a_L.png").read_bytes() == (tmp_path / "std" / "a_L.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--size", "3", "3"], "3 x 3 mm at 0.2 mm a pixel are 15 x 15 pixels; 32 to 8192 a side are needed; choose"),
        (["--formats", "tiff"], "'tiff' is not one of png, nifti, dicom"),
        (["--manifest", "list.csv"], "give either files and folders, or --manifest FILE.csv"),
    ],
)
def test_a_wrong_call_of_standardize_is_one_line(  # type: ignore[no-untyped-def]
    tmp_path: Path, call, arguments: list[str], line: str
) -> None:
    write_picture(tmp_path / "in" / "a.png", 100)
    code, _, err = call("standardize", tmp_path / "in", "-o", tmp_path / "std", *arguments)
    assert code == 2 and len(err) == 1 and line in err[0]


def test_a_browser_that_does_not_open_leaves_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> None:
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(webbrowser, "open", fail)
    monkeypatch.setattr("kneebundle.cli.browser.has_screen", lambda: True)
    show_page(tmp_path / "index.html")
    said = capsys.readouterr()
    assert said.out == f"page: {(tmp_path / 'index.html').as_uri()}\n"
    assert said.err == "the page could not be opened (no browser); open its address\n"
