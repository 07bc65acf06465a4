"""The page in a real browser: points are dragged, nudged, accepted and rejected, and what is saved is checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.annotation.conftest import Client
from tests.annotation.studies import CENTERS, knee_points

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAVED_MS = 10_000
RIGHT = knee_points("R", CENTERS["R"], (0.5, 0.5))


class Annotator:
    """A person at the page."""

    def __init__(self, page: Page, client: Client) -> None:
        self.page = page
        self.folder = client.server.corrections
        self.client = client

    def open(self, name: str) -> None:
        self.page.goto(f"{self.client.server.address}#{name}")
        self.wait(name)

    def wait(self, name: str) -> None:
        self.page.wait_for_function(
            "name => document.getElementById('title').textContent === name"
            " && !document.getElementById('state').matches(':empty')",
            arg=name,
        )

    def saved(self, name: str, revision: int | None = None) -> dict[str, Any]:
        """What is saved, once the page says that everything is."""
        self.page.wait_for_function(
            "() => document.getElementById('saved').textContent.startsWith('Saved')", timeout=SAVED_MS
        )
        document = json.loads((self.folder / f"{name}.json").read_text())
        assert revision is None or document["revision"] == revision
        return document

    def place(self, index: int, item: int = 0) -> tuple[float, float]:
        """Where a point is on the screen."""
        center = """([item, point]) => {
            const mark = document.querySelector(`circle.point[data-item="${item}"][data-point="${point}"]`);
            const box = mark.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }"""
        x, y = self.page.evaluate(center, [item, index])
        return x, y

    def pixel(self) -> float:
        """Screen pixels a pixel of the image."""
        first, last = self.place(0), self.place(8)
        return (last[0] - first[0]) / float(RIGHT[8, 0] - RIGHT[0, 0])

    def drag(self, index: int, by: tuple[float, float], button: Any = "left") -> None:
        x, y = self.place(index)
        self.page.mouse.move(x, y)
        self.page.mouse.down(button=button)
        self.page.mouse.move(x + by[0] / 2, y + by[1] / 2, steps=3)
        self.page.mouse.move(x + by[0], y + by[1], steps=3)
        self.page.mouse.up(button=button)


@pytest.fixture
def annotator(web_page: Page, client: Client) -> Annotator:
    return Annotator(web_page, client)


def points_of(document: dict[str, Any], knee: int = 0) -> np.ndarray:
    marks = document["knees"][knee]["landmarks"]
    return np.array([[m["x_px"], m["y_px"]] for m in marks], dtype=float)


def test_a_drag_moves_the_point_by_as_much_and_undo_brings_it_back(annotator: Annotator) -> None:
    annotator.open("both")
    pixel = annotator.pixel()
    annotator.drag(8, (20 * pixel, -10 * pixel))
    document = annotator.saved("both")
    assert document["status"] == "open"
    shift = points_of(document) - RIGHT
    np.testing.assert_allclose(shift[8], [20, -10], atol=0.02 + 1.5 / pixel)
    assert np.abs(np.delete(shift, 8, axis=0)).max() < 0.001
    assert [m["moved"] for m in document["knees"][0]["landmarks"]].count(True) == 1

    annotator.page.keyboard.press("u")
    np.testing.assert_allclose(points_of(annotator.saved("both", 2)), RIGHT, atol=0.001)
    annotator.page.keyboard.press("Shift+U")
    np.testing.assert_allclose(points_of(annotator.saved("both", 3)) - RIGHT, shift, atol=0.001)


def test_the_loupe_follows_and_shows_what_lies_there(annotator: Annotator) -> None:
    annotator.open("both")
    page = annotator.page
    assert page.locator("#loupe").is_hidden()
    x, y = annotator.place(12)
    page.mouse.move(x, y)
    page.mouse.down()
    assert page.locator("#loupe figcaption").inner_text().startswith("femur center")
    middle = """() => { const c = document.querySelector('#loupe canvas');
        return c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[0]; }"""
    on_dot = page.evaluate(middle)
    page.mouse.move(x, y - 60, steps=3)
    assert page.evaluate(middle) < on_dot - 60
    page.mouse.up()
    # the loupe is not in the way of what it shows
    loupe, stage = page.locator("#loupe").bounding_box(), page.locator("#stage").bounding_box()
    assert loupe is not None and stage is not None
    assert loupe["x"] >= stage["x"] and loupe["x"] + loupe["width"] <= stage["x"] + stage["width"]


def test_keys_step_nudge_and_hide_points(annotator: Annotator) -> None:
    annotator.open("both")
    keys = annotator.page.keyboard
    keys.press("Tab")
    keys.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        keys.press(key)
    shift = points_of(annotator.saved("both")) - RIGHT
    np.testing.assert_allclose(shift[1], [0.2, 1.0], atol=0.002)
    assert np.abs(np.delete(shift, 1, axis=0)).max() < 0.001
    keys.press("Shift+Tab")
    keys.press("v")
    annotator.page.wait_for_function("() => document.querySelectorAll('#points li.missing').length === 1")
    document = annotator.saved("both", 2)
    first = document["knees"][0]["landmarks"][0]
    assert (first["x_px"], first["visible"]) == (None, False)
    keys.press("v")
    assert annotator.saved("both", 3)["knees"][0]["landmarks"][0]["moved"] is False


def test_accept_reject_and_go_on(annotator: Annotator) -> None:
    annotator.open("both")
    page, keys = annotator.page, annotator.page.keyboard
    annotator.drag(0, (-15, 0))
    keys.press("a")  # the right knee; the left one is next
    assert page.locator("#knees [aria-selected=true]").inner_text() == "Left knee"
    keys.press("r")
    page.locator("#reason").fill("cut off")
    keys.press("Enter")
    page.locator("#message").wait_for()  # the next one is that whose image is gone
    assert page.locator("#title").inner_text() == "gone"
    document = json.loads((annotator.folder / "both.json").read_text())
    assert document["status"] == "corrected"
    assert [(k["side"], k["status"], k["reason"]) for k in document["knees"]] == [
        ("R", "corrected", ""),
        ("L", "rejected", "cut off"),
    ]
    assert page.locator("#progress").inner_text() == "1 of 6 done"
    assert page.locator('#films [data-name="both"] .dot').get_attribute("class") == "dot corrected"


def test_a_rejection_needs_a_reason(annotator: Annotator) -> None:
    annotator.open("both")
    annotator.page.keyboard.press("r")
    annotator.page.keyboard.press("Enter")
    assert annotator.page.locator("#rejecting").is_visible()
    annotator.page.keyboard.press("Escape")
    assert annotator.page.locator("#rejecting").is_hidden()
    assert not (annotator.folder / "both.json").exists()


def test_a_knee_that_was_not_found_is_added_moved_and_taken_away(annotator: Annotator) -> None:
    annotator.open("none")
    page = annotator.page
    page.get_by_text("Add left knee").click()
    page.locator("#stage").click()  # the middle of the radiograph
    document = annotator.saved("none")
    knee = document["knees"][0]
    assert (knee["side"], knee["added"], knee["status"]) == ("L", True, "open")
    expected = knee_points("L", (200.0, 150.0), (0.5, 0.5))
    np.testing.assert_allclose(points_of(document), expected, atol=1.0)
    before = points_of(document)
    page.keyboard.down("Shift")
    annotator.drag(4, (30, 12))
    page.keyboard.up("Shift")
    shift = points_of(annotator.saved("none", 2)) - before
    assert np.ptp(shift, axis=0).max() < 0.003 and shift[0, 0] > 5
    page.get_by_text("Remove this knee").click()
    assert annotator.saved("none", 3)["knees"] == []


def test_a_lateral_radiograph_is_planned_again_while_its_points_move(annotator: Annotator) -> None:
    annotator.open("side")
    page = annotator.page
    schoettle = page.locator("#marks .schoettle")
    first = schoettle.bounding_box()
    assert page.locator("#marks text", has_text="LM").all_text_contents() == ["LM1", "LM2", "LM3"]
    annotator.drag(0, (0, 40))  # p_blum, and LM3 with it
    second = schoettle.bounding_box()
    assert first is not None and second is not None and second["height"] == pytest.approx(first["height"] + 40, abs=4)
    planning = annotator.saved("side")["planning"]
    assert [mark["moved"] for mark in planning["landmarks"]] == [True, False, False, False]
    page.keyboard.press("a")
    annotator.wait("turned")
    assert json.loads((annotator.folder / "side.json").read_text())["status"] == "corrected"


def test_zoom_pan_and_greys_leave_the_points_where_they_are(annotator: Annotator) -> None:
    annotator.open("both")
    page = annotator.page
    x, y = annotator.place(4)
    before = annotator.pixel()
    zoom = int(page.locator("#hint").inner_text().rstrip(" %"))
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function("least => parseInt(document.getElementById('hint').textContent) > least", arg=zoom)
    assert annotator.pixel() > 1.3 * before
    assert annotator.place(4) == pytest.approx((x, y), abs=1.0)  # what is under the mouse stays there
    page.mouse.move(x, y + 150)
    page.mouse.down()
    page.mouse.move(x + 40, y + 130, steps=3)
    page.mouse.up()
    assert annotator.place(4) == pytest.approx((x + 40, y - 20), abs=1.0)
    with page.expect_response(lambda response: "image?low=" in response.url):
        annotator.drag(4, (-80, 30), button="right")
    assert annotator.place(4) == pytest.approx((x + 40, y - 20), abs=1.0)
    page.keyboard.press("f")
    assert annotator.pixel() == pytest.approx(before, rel=1e-3)
    assert not (annotator.folder / "both.json").exists()  # nothing of this is a correction


def test_next_and_previous_and_the_filter(annotator: Annotator) -> None:
    annotator.open("implant")
    page = annotator.page
    page.keyboard.press("n")
    annotator.wait("none")
    page.keyboard.press("p")
    annotator.wait("implant")
    page.locator("#filter").select_option("flagged")
    assert page.locator("#films li").count() == 1
    page.locator("#filter").select_option("all")
    page.locator("#order").select_option("confidence")
    assert page.locator("#films li").count() == 6
    page.locator("#stage").focus()
    page.keyboard.press("h")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()


@pytest.fixture
def two_pages(chromium: Browser, client: Client) -> Iterator[tuple[Annotator, Annotator]]:
    """Two tabs, whose consoles may tell of answers that are errors."""
    contexts = [chromium.new_context(viewport={"width": 1280, "height": 900}) for _ in range(2)]
    first, second = (Annotator(context.new_page(), client) for context in contexts)
    yield first, second
    for context in contexts:
        context.close()


@pytest.mark.parametrize("choice", ["theirs", "mine"])
def test_the_second_tab_is_told_and_chooses(two_pages: tuple[Annotator, Annotator], choice: str) -> None:
    first, second = two_pages
    for tab in (first, second):
        tab.open("both")
    first.drag(0, (-20, 0))
    mine = points_of(first.saved("both", 1))
    second.drag(15, (20, 0))
    second.page.locator("#conflict").wait_for()
    assert "Ann saved this radiograph" in second.page.locator("#conflict p").inner_text()
    np.testing.assert_array_equal(points_of(json.loads((first.folder / "both.json").read_text())), mine)
    second.page.locator(f"#{choice}").click()
    second.page.locator("#conflict").wait_for(state="hidden")
    left = points_of(second.saved("both", 1 if choice == "theirs" else 2))
    moved = np.abs(left - RIGHT).max(axis=1) > 0.5
    assert np.flatnonzero(moved).tolist() == ([0] if choice == "theirs" else [15])


def test_a_radiograph_that_is_gone_says_so_and_the_others_work(annotator: Annotator) -> None:
    tab = annotator
    tab.page.goto(f"{tab.client.server.address}#gone")
    tab.page.locator("#message").wait_for()
    message = tab.page.locator("#message").inner_text()
    assert "gone.png: the image is no longer there" in message and "--images" in message
    assert tab.page.locator("#accept").is_disabled()
    tab.page.keyboard.press("n")
    tab.wait("implant")
    assert tab.page.locator("#message").is_hidden()
    assert "a knee replacement" in tab.page.locator("#flags").inner_text()


def test_a_server_that_stopped_is_said_and_nothing_is_lost(
    two_pages: tuple[Annotator, Annotator],
) -> None:
    tab, _ = two_pages
    tab.open("both")
    tab.page.context.set_offline(True)
    tab.drag(0, (-20, 0))
    tab.page.locator("#saved.bad").wait_for()
    assert "does not answer" in tab.page.locator("#saved").inner_text()
    tab.page.context.set_offline(False)
    tab.page.keyboard.press("a")
    document = tab.saved("both")
    assert document["knees"][0]["status"] == "corrected" and document["knees"][0]["landmarks"][0]["moved"]
