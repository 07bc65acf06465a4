"""The pages as a browser shows them: what is on them, and what keys, clicks and drags do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kneebundle.orientation import Orientation
from kneebundle.reports.html.index import write_index
from kneebundle.reports.html.pictures import FilmPictures, name_thumbnail, write_thumbnail
from kneebundle.reports.html.study import write_study_page
from kneebundle.reports.json_report import to_document
from tests.reports.html.films import ROWS, make_documents, make_result, without_landmarks

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NAME = "<img src=x onerror=alert(1)>"
UNLABELLED = """() => [...document.querySelectorAll('input, select, button, a, svg[tabindex]')].filter((e) =>
  !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.textContent.trim()).map((e) => e.outerHTML)"""
LOW_CONTRAST = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
  const grey = (css) => {
    canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const css = getComputedStyle(e).backgroundColor;
      if (css !== 'rgba(0, 0, 0, 0)') return css;
    }
    return 'white';
  };
  return [...document.querySelectorAll('h1, p, a, label, button, th, td, li, small, summary, kbd, .mark')]
    .filter((e) => e.textContent.trim() && e.getClientRects().length).filter((e) => {
      const [a, b] = [grey(getComputedStyle(e).color), grey(ground(e))].sort();
      return (b + 0.05) / (a + 0.05) < 4.5;
    }).map((e) => e.outerHTML.slice(0, 120));
}"""


def write_pages(folder: Path, name: str = "knees", orientation: Orientation | None = None) -> Path:
    """A folder with one study and the index."""
    result = make_result(f"films/{name}.png", orientation)
    document = to_document(result)
    write_study_page(document, result.radiograph, folder / f"{name}.html")
    write_thumbnail(FilmPictures(result.radiograph), folder / name_thumbnail(name))
    write_index({name: document}, [], folder)
    return folder


def open_file(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    return page


@pytest.fixture
def study(web_page: Page, tmp_path: Path) -> Page:
    return open_file(web_page, write_pages(tmp_path) / "knees.html")


def read_box(view: Locator) -> list[float]:
    return [float(v) for v in (view.get_attribute("viewBox") or "").split()]


def is_drawn(element: Locator) -> bool:
    """Whether an element is shown; playwright holds a horizontal line, which has no height, for invisible."""
    return bool(element.evaluate("(element) => element.getClientRects().length > 0"))


def test_landmarks_of_both_knees_are_there_and_can_be_hidden(study: Page) -> None:
    for side in "RL":
        dots = study.locator(f"svg[data-key=knee-{side}] .dot")
        assert dots.count() == 16 and dots.first.is_visible()
    dot = study.locator("svg[data-key=knee-R] .dot").first
    study.get_by_label("Landmarks").uncheck()
    assert not dot.is_visible()
    study.keyboard.press("l")
    assert dot.is_visible() and study.get_by_label("Landmarks").is_checked()


@pytest.mark.parametrize(
    ("key", "drawn", "at_first"),
    [
        ("n", ".number", True),
        ("o", ".layer-outlines polyline", True),
        ("m", ".measure:not(.further) polyline", True),
        ("a", ".measure.further polyline", False),
        ("r", ".ring", False),
        ("f", ".region", False),
    ],
)
def test_keys_show_and_hide(study: Page, key: str, drawn: str, at_first: bool) -> None:
    element = study.locator(f"svg[data-key=knee-L] {drawn}").first
    assert is_drawn(element) is at_first
    study.keyboard.press(key)
    assert is_drawn(element) is not at_first


def test_a_measurement_that_is_chosen_stands_out(study: Page) -> None:
    card = study.locator("#R")
    line = card.locator(".measure[data-name=femoral_width] polyline")
    assert not is_drawn(line)
    button = card.get_by_role("button", name="Femoral width")
    button.click()
    assert is_drawn(line) and button.get_attribute("aria-pressed") == "true"
    assert study.locator("#L .measure.chosen").count() == 0
    card.get_by_role("button", name="Joint space width medial, minimum").click()
    assert not is_drawn(line) and button.get_attribute("aria-pressed") == "false"


def test_the_wheel_zooms_about_the_pointer_and_a_drag_moves(study: Page) -> None:
    view = study.locator("svg[data-key=film]")
    frame = view.bounding_box()
    assert frame is not None
    x, y = round(frame["x"] + 0.3 * frame["width"]), round(frame["y"] + 0.4 * frame["height"])
    study.mouse.move(x, y)
    before, home = study.inner_text("#readout"), read_box(view)
    study.mouse.wheel(0, -300)
    study.wait_for_function(f"document.querySelector('svg[data-key=film]').getAttribute('viewBox') != '{home}'")
    study.mouse.move(x + 1, y)
    study.mouse.move(x, y)
    near = read_box(view)
    assert near[2] < 0.7 * home[2] and study.inner_text("#readout") == before
    study.mouse.down()
    study.mouse.move(x + 60, y + 30)
    study.mouse.up()
    moved = read_box(view)
    assert moved[0] < near[0] and moved[1] < near[1] and moved[2] == near[2]
    study.keyboard.press("0")
    assert read_box(view) == pytest.approx(home, abs=1e-3)


def test_a_picture_is_moved_by_keys(study: Page) -> None:
    view = study.locator("svg[data-key=knee-R]")
    view.focus()
    home = read_box(view)
    study.keyboard.press("+")
    study.keyboard.press("ArrowRight")
    box = read_box(view)
    assert box[2] < home[2] and box[0] + box[2] / 2 > home[0] + home[2] / 2


def test_the_readout_is_in_pixels_of_the_stored_file(web_page: Page, tmp_path: Path) -> None:
    open_file(web_page, write_pages(tmp_path, orientation=Orientation(flip_rows=True)) / "knees.html")
    frame = web_page.locator("svg[data-key=film] .film use").first.bounding_box()
    assert frame is not None
    web_page.mouse.move(frame["x"] + 2, frame["y"] + 2)
    words = web_page.inner_text("#readout").replace(",", "").split()
    scale = ROWS / frame["height"]
    assert float(words[1]) == pytest.approx(2 * scale, abs=2 * scale)
    assert float(words[3]) == pytest.approx(ROWS - 2 * scale, abs=2 * scale)


def read_window(page: Page) -> tuple[float, float]:
    band = page.locator("#window feFuncR")
    return float(band.get_attribute("slope") or 0), float(band.get_attribute("intercept") or 0)


def test_level_width_and_inversion(study: Page) -> None:
    first = read_window(study)
    study.get_by_label("Width").fill("40")
    assert read_window(study)[0] == pytest.approx(255 / 40, abs=1e-3)
    slope, intercept = read_window(study)
    study.keyboard.press("Escape")
    study.locator("h1").click()
    study.keyboard.press("i")
    assert read_window(study) == pytest.approx((-slope, 1 - intercept), abs=1e-3)
    study.get_by_role("button", name="Reset").click()
    assert read_window(study) == pytest.approx(first)
    frame = study.locator("svg[data-key=knee-R]").bounding_box()
    assert frame is not None
    study.mouse.move(frame["x"] + 100, frame["y"] + 100)
    study.mouse.down(button="right")
    study.mouse.move(frame["x"] + 160, frame["y"] + 100)
    study.mouse.up(button="right")
    assert read_window(study)[0] < first[0]


def test_a_name_with_markup_is_only_a_name(web_page: Page, tmp_path: Path) -> None:
    web_page.on("dialog", lambda dialog: pytest.fail(f"the page says {dialog.message}"))
    folder = write_pages(tmp_path, NAME)
    page = open_file(web_page, folder / "index.html")
    page.get_by_role("link", name=f"{NAME}.png").first.click()
    assert page.inner_text("h1") == f"{NAME}.png"
    assert page.locator("img").count() == 0


def test_print_and_dark(web_page: Page, tmp_path: Path) -> None:
    page = open_file(web_page, write_pages(tmp_path) / "knees.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("t")
    assert page.evaluate(ground) != light
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert not page.locator(".toolbar").is_visible() and page.locator("#R .measurements").first.is_visible()


@pytest.mark.parametrize("file", ["knees.html", "index.html"])
def test_everything_has_a_name_and_can_be_read(web_page: Page, tmp_path: Path, file: str) -> None:
    page = open_file(web_page, write_pages(tmp_path) / file)
    assert page.evaluate(UNLABELLED) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(LOW_CONTRAST) == []


def test_a_knee_without_landmarks_is_shown_with_its_flag(web_page: Page, tmp_path: Path) -> None:
    result = without_landmarks(make_result())
    write_study_page(to_document(result), result.radiograph, tmp_path / "implant.html")
    page = open_file(web_page, tmp_path / "implant.html")
    assert page.locator("#R .flags").inner_text().startswith("implant there is a knee replacement")
    assert page.locator("#R .nothing").inner_text() == "This knee was not measured."


@pytest.fixture
def index(web_page: Page, tmp_path: Path) -> Page:
    """Twenty films, two with an implant, and one file that could not be read."""
    documents = make_documents(20)
    for name in documents:
        (tmp_path / f"{name}.html").write_text("<title>page</title>")
    write_index(documents, [("lost.dcm", "the file cannot be read")], tmp_path)
    return open_file(web_page, tmp_path / "index.html")


def count_rows(page: Page) -> str:
    return page.inner_text("#shown")


def test_filters_by_flag_side_and_text(index: Page) -> None:
    assert count_rows(index) == "39 of 39 rows"
    index.locator("#flag").select_option("implant")
    assert count_rows(index) == "2 of 39 rows"
    index.locator("#flag").select_option("refused")
    assert "the file cannot be read" in index.locator("tr.row").inner_text()
    index.locator("h1").click()
    index.keyboard.press("x")
    index.locator("#side").select_option("L")
    assert count_rows(index) == "18 of 39 rows"
    index.keyboard.press("Escape")
    index.locator("h1").click()
    index.keyboard.press("/")
    index.keyboard.type("film_0003")
    assert count_rows(index) == "1 of 39 rows"
    index.keyboard.type(" nothing")
    assert index.locator(".nothing-found").is_visible()


def test_sorts_by_a_measurement_with_missing_values_last(index: Page) -> None:
    head = index.locator("th[data-column=joint_space_width_medial_minimum]")
    cells = index.locator("tr.row td:nth-child(7)")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert cells.first.inner_text() == "2.00"
    head.get_by_role("button").click()
    values = [float(text) for text in cells.all_inner_texts() if text]
    assert head.get_attribute("aria-sort") == "descending" and values == sorted(values, reverse=True)
    index.locator("#table").evaluate("(table) => { table.scrollTop = 1e9 }")
    index.wait_for_selector("tr.row[data-place='38']")
    assert index.locator("tr.row[data-place='38'] td:nth-child(7)").inner_text() == ""


def test_the_summary_is_of_the_rows_that_are_shown(index: Page) -> None:
    numbers = index.locator(".plot[data-plot='0'] .numbers")
    assert numbers.inner_text().startswith("n 36, median")
    assert index.locator(".plot[data-plot='0'] svg rect").count() == 24
    index.get_by_role("button", name="implant 2").click()
    assert count_rows(index) == "2 of 39 rows" and numbers.inner_text() == "no values"


def test_a_page_is_opened_by_keys_and_the_way_back_finds_the_filters(index: Page) -> None:
    index.locator("#side").select_option("L")
    index.locator("h1").click()
    index.keyboard.press("j")
    index.keyboard.press("j")
    index.keyboard.press("Enter")
    index.wait_for_url("**/film_0001.html#L")
    index.go_back()
    assert count_rows(index) == "18 of 39 rows"
    assert index.locator("#side").input_value() == "L"


def test_two_thousand_films_stay_usable(web_page: Page, tmp_path: Path) -> None:
    write_index(make_documents(2000), [], tmp_path)
    page = open_file(web_page, tmp_path / "index.html")
    assert count_rows(page) == "3800 of 3800 rows"
    assert page.locator("*").count() < 2000  # only the rows in sight are there
    started = time.monotonic()
    page.locator("th[data-column=joint_space_width_medial_minimum] button").click()
    page.locator("#flag").select_option("implant")
    assert count_rows(page) == "200 of 3800 rows"
    assert time.monotonic() - started < 10  # a machine that does other things too
    page.locator("#flag").select_option("")
    page.locator("#table").evaluate("(table) => { table.scrollTop = 1e9 }")
    page.wait_for_selector("tr.row[data-place='3799']")
