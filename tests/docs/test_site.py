"""The documentation site: links that hold here and on GitHub, nothing asked of other machines, a search."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import CARDS, PAGES, REPOSITORY, page_id, read_blocks

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("mkdocs")

from scripts import docs_hooks, docs_reference


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=page_id)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    """As GitHub follows them, from the folder of the page."""
    for path in docs_hooks.linked_files(page_id(page), page.read_text(encoding="utf-8")):
        assert (REPOSITORY / path).exists(), f"{page_id(page)} links to {path}"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("docs/lateral.md", "[a](../bundles/x/docs/README.md)", "[a](files/bundles/x/docs/README.md)"),
        (
            "docs/lateral.md",
            "[a](../bundles/knee_surgical_planning/docs/README.md#data) [b](flags.md)",
            "[a](bundles/knee_surgical_planning.md#data) [b](flags.md)",
        ),
        ("docs/tutorials/finetune.md", "[a](../../bundles) ![b](../c.png)", "[a](../bundles/index.md) ![b](../c.png)"),
        ("docs/results.md", "[fits](../kneebundle/datasets/fits.csv)", "[fits](files/kneebundle/datasets/fits.csv)"),
        ("bundles/knee_landmark_scn/docs/README.md", "[a](../../../docs/results.md)", "[a](../results.md)"),
        ("CONTRIBUTING.md", "[a](docs/testing.md) [b](CHANGELOG.md)", "[a](../testing.md) [b](CHANGELOG.md)"),
        ("docs/a.md", "[flags.md](flags.md) [docs/flags.md](flags.md)", "[Flags](flags.md) [Flags](flags.md)"),
        ("docs/a.md", "[a](https://x.org/y.md) [b](#c)", "[a](https://x.org/y.md) [b](#c)"),
        ("docs/a.md", "```text\n[a](../LICENSE)\n```", "```text\n[a](../LICENSE)\n```"),
    ],
)  # fmt: skip
def test_links_out_of_docs_are_rewritten_for_the_site(path: str, text: str, expected: str) -> None:
    assert docs_hooks.rewrite_links(path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Text:\n- one\n- two\n  - inner", "Text:\n\n- one\n- two\n    - inner"),
        ("- one\n  goes on\n- two", "- one\n  goes on\n- two"),
        ("Text\n| a | b |\n|---|---|", "Text\n\n| a | b |\n|---|---|"),
        ("## Title\n    kneebundle doctor\n", "## Title\n\n```bash\nkneebundle doctor\n```\n"),
        ("```text\na\n- b\n```", "```text\na\n- b\n```"),
    ],
)
def test_what_github_reads_python_markdown_reads_too(text: str, expected: str) -> None:
    assert docs_hooks.tidy_markdown(text) == expected


def test_every_command_has_its_options_in_the_reference() -> None:
    text = docs_reference.describe_commands()
    for line in ("## kneebundle predict", "| `--spacing MM` |", "kneebundle convert [OPTIONS] IN OUT"):
        assert line in text


def test_public_names_have_pages() -> None:
    packages = docs_reference.list_packages()
    assert {"transforms", "phantoms.pa", "landmarks", "errors"} <= set(packages)
    assert "::: kneebundle.transforms.CropROId" in docs_reference.show_package("transforms")
    assert all(packages.values()), "a package without a docstring"


def test_marks_belong_to_the_block_that_follows() -> None:
    text = "<!-- not run: a -->\n```bash\nb\n```\n\n<!-- goes on: c -->\n\n```bash\nd\n```\ntext\n```bash\ne\n```\n"
    assert [block.marks for block in read_blocks(text)] == [{"not run": "a"}, {"goes on": "c"}, {}]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as scripts/docs builds it, or the one that KNEEBUNDLE_DOCS names."""
    if "KNEEBUNDLE_DOCS" in os.environ:
        return REPOSITORY / os.environ["KNEEBUNDLE_DOCS"]
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class References(HTMLParser):
    """What a page loads (scripts, styles, pictures, frames), what it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(found.get("href", ""))
        self.loads += [found[name] for name in ("src", "srcset", "data") if name in found and tag != "a"]


@pytest.mark.slow
def test_site_asks_nothing_of_other_machines(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = References(page.read_text(encoding="utf-8")).loads
        assert not [address for address in loads if re.match(r"(https?:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    """To a file of the site and, where they name one, to an anchor of it."""
    pages = {page: References(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    for page, references in pages.items():
        for link in (*references.links, *references.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            if page.name == "404.html":  # its links begin at the root of a server
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.relative_to(site)}: {link}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in pages[target].anchors, f"{page.relative_to(site)}: {link}"


@pytest.mark.slow
def test_no_markdown_is_left_on_a_page(site: Path) -> None:
    """Lists, tables, roles and fences that were not understood would stand in the text."""
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for pattern in (
            r"<p>[^<]*\n[-*] ",
            r"<p>[^<]*\n\|",
            r":(func|class|meth|data|mod):",
            r"<p>```",
            r"<p>&gt;&gt;&gt; ",
        ):
            assert not re.search(pattern, text), f"{page.relative_to(site)}: {pattern}"


@pytest.mark.slow
def test_search_works_in_files_opened_from_a_disk(site: Path, web_page: Page) -> None:
    web_page.goto((site / "index.html").as_uri())
    web_page.locator(".md-search__input").click()
    web_page.locator(".md-search__input").press_sequentially("Schoettle")
    results = web_page.locator(".md-search-result__link")
    results.first.wait_for()
    assert any("lateral" in (link.get_attribute("href") or "") for link in results.all())


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_the_screen(site: Path, web_page: Page, width: int) -> None:
    """Wide tables and blocks scroll by themselves; the page does not."""
    web_page.set_viewport_size({"width": width, "height": 800})
    for name in ("index", "tutorials/researcher", "results", "measurements", "reference/commands", "gallery"):
        web_page.goto((site / f"{name}.html").as_uri())
        assert web_page.evaluate("document.documentElement.scrollWidth") <= width, name
