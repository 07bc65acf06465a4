"""What MkDocs is told about this repository (mkdocs.yml, ``hooks``).

Pages that are not in docs/: the bundles' cards, the changelog and the like, the command line, the public names of each
package. They are made at each build and never copied into the repository.
Links: a page of the repository links to files as GitHub needs it (``../bundles/x/docs/README.md``). On the site they
lead to the page of that file or, where it is none, to a copy of it.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.docs_blocks import read_blocks  # noqa: E402
from scripts.docs_reference import describe_commands, list_packages, show_package  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

PROJECT_PAGES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
WHOLE = {"README.md": "index.md", "bundles": "bundles/index.md", "kneebundle": "reference/api/index.md"}
"""What has a page about it as a whole."""
LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)(?P<title>(?:\s+\"[^\"]*\")?)\)")


def repository_pages() -> dict[str, str]:
    """Pages made of the repository's own files: the place on the site to the path in the repository."""
    bundles = {f"bundles/{path.parts[-3]}.md": path for path in sorted(ROOT.glob("bundles/*/docs/README.md"))}
    pages = {place: path.relative_to(ROOT).as_posix() for place, path in bundles.items()}
    return pages | {f"project/{name}": name for name in PROJECT_PAGES}


def site_place(path: str) -> str:
    """Where a file of the repository is on the site; other files than pages lie in ``files/``."""
    if path in WHOLE:
        return WHOLE[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return {source: place for place, source in repository_pages().items()}.get(path, f"files/{path}")


def source_path(place: str) -> str:
    """The file of the repository that a page of the site is made of."""
    return repository_pages().get(place, f"docs/{place}")


def linked_files(path: str, text: str) -> list[str]:
    """The files of the repository that a page links to, as paths from the repository's root."""
    targets = [match["target"] for _, match in _links(text)]
    return [_resolve(path, target.partition("#")[0]) for target in targets if _is_file_link(target)]


def rewrite_links(path: str, text: str) -> str:
    """Turn the links of a page of the repository into those of the site.

    A link that is called by the name of its file is called by the title of the page instead.
    """
    here = posixpath.dirname(site_place(path))
    lines = text.split("\n")

    def replace(match: re.Match[str]) -> str:
        target, hash_, anchor = match["target"].partition("#")
        if not _is_file_link(match["target"]):
            return match[0]
        file = _resolve(path, target)
        shown = match["text"]
        if shown and shown in (target, posixpath.basename(target), file) and file.endswith(".md"):
            shown = _read_title(file)
        place = posixpath.relpath(site_place(file), here or ".")
        return f"{match['mark']}[{shown}]({place}{hash_}{anchor}{match['title']})"

    for number in sorted({number for number, _ in _links(text)}):
        lines[number] = LINK.sub(replace, lines[number])
    return "\n".join(lines)


def tidy_markdown(text: str) -> str:
    """Write a page as Python-Markdown needs it where GitHub needs less.

    Indented blocks get fences with their language, lists and tables a blank line before them, nested lists four spaces.
    """
    lines = text.split("\n")
    code: set[int] = set()
    for block in reversed(read_blocks(text)):
        if not block.fenced:
            lines[block.line : block.end + 1] = [f"```{block.language}", *block.text.split("\n"), "```"]
    text = "\n".join(lines)
    for block in read_blocks(text):
        code.update(range(block.line, block.end + 1))
    tidied: list[str] = []
    in_list = False
    for number, line in enumerate(text.split("\n")):
        before = tidied[-1] if tidied else ""
        if number in code:
            if before.strip() and number - 1 not in code and line.startswith(("```", "~~~")):
                tidied.append("")
            tidied.append(line)
            continue
        item = re.match(r"^( *)([-*+]|\d+\.) ", line)
        if item:
            begins = not in_list and before.strip()
            if begins:
                tidied.append("")
            in_list = True
            if len(item[1]) in (2, 3):
                line = "    " + line.lstrip()
        elif line.startswith("|") and before.strip() and not before.startswith("|"):
            tidied.append("")
        elif line.strip() and not line.startswith(" "):
            in_list = bool(in_list and before.strip() and not before.startswith(("|", "#")))
        tidied.append(line)
    return "\n".join(tidied)


def _links(text: str) -> list[tuple[int, re.Match[str]]]:
    """The links outside code, each with its line."""
    code = {number for block in read_blocks(text) for number in range(block.line, block.end + 1)}
    return [
        (number, match)
        for number, line in enumerate(text.split("\n"))
        if number not in code
        for match in LINK.finditer(line)
    ]


def _read_title(path: str) -> str:
    """The title of a page of the repository: its first heading, up to a colon."""
    heading = re.search(r"^# (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    return heading[1].partition(":")[0] if heading else posixpath.basename(path)


def _is_file_link(target: str) -> bool:
    return not re.match(r"^([a-z][a-z0-9+.-]*:|#|/)", target)


def _resolve(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the folders of the navigation: the bundles and the packages."""
    folders: dict[str, list[Any]] = {
        "bundles/": ["bundles/index.md", *(place for place in repository_pages() if place.startswith("bundles/"))],
        "reference/api/": [
            "reference/api/index.md",
            *({package: f"reference/api/{package}.md"} for package in list_packages()),
        ],
    }

    def fill(item: Any) -> Any:
        if isinstance(item, list):
            return [fill(part) for part in item]
        if isinstance(item, dict):
            return {key: fill(value) for key, value in item.items()}
        return folders.get(item, item)

    config.nav = fill(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of other files, and the files that pages link to."""
    made = {place: (ROOT / path).read_text(encoding="utf-8") for place, path in repository_pages().items()}
    made["bundles/index.md"] = _list_bundles()
    made["reference/commands.md"] = describe_commands()
    made["reference/api/index.md"] = _list_packages()
    made |= {f"reference/api/{package}.md": show_package(package) for package in list_packages()}
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    for page in list(files.documentation_pages()):
        if page.src_uri in made and page.src_uri not in repository_pages():
            continue
        path = source_path(page.src_uri)
        for linked in linked_files(path, page.content_string):
            place = site_place(linked)
            if not (ROOT / linked).exists():
                raise PluginError(f"{path} links to {linked}, which is not there")
            if files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / linked)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of pages of the repository, and what Python-Markdown reads otherwise than GitHub."""
    if page.file.src_uri.startswith("reference/") or page.file.src_uri == "bundles/index.md":
        return markdown
    return tidy_markdown(rewrite_links(source_path(page.file.src_uri), markdown))


def _list_bundles() -> str:
    about = "Each bundle's card says what it finds, how it was trained and on what it was measured."
    rows = ["# Bundles", "", about, ""]
    for place, path in repository_pages().items():
        if not place.startswith("bundles/"):
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        summary = re.search(r"## \*\*Model Description\*\*\n\n(.+?[.])(?=\s+[A-Z]|\n\n)", text, re.DOTALL)
        sentence = " ".join(summary[1].split()) if summary else ""
        rows.append(f"- [{posixpath.basename(place)[:-3]}]({posixpath.basename(place)}): {sentence}")
    return "\n".join(rows) + "\n"


def _list_packages() -> str:
    rows = [
        "# Python",
        "",
        "Public names are two levels deep, in Python and in the bundles' configs: `kneebundle.transforms.CropROId`.",
        "The examples on these pages are run by the tests.",
        "",
    ]
    rows += [f"- [kneebundle.{package}]({package}.md): {summary}" for package, summary in list_packages().items()]
    return "\n".join(rows) + "\n"
