"""The pages of the documentation, and their code blocks."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from scripts.docs_blocks import CodeBlock, read_blocks

__all__ = [
    "CARDS",
    "PAGES",
    "REPOSITORY",
    "CodeBlock",
    "Command",
    "commands_of",
    "page_id",
    "read_blocks",
    "reason_not_to_run",
]

REPOSITORY = Path(__file__).resolve().parents[2]
CARDS = sorted(REPOSITORY.glob("bundles/*/docs/README.md"))
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "SECURITY.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]

# Blocks without a comment of their own: those of the README and of CONTRIBUTING, by how they begin.
_NOT_RUN = {
    "./scripts/": "makes an environment of its own; CI runs it",
    "bash .ci/run": "is what CI runs",
    "pip install": "installs",
    "kneebundle ": "the tutorials run it, or it needs the public data set",
    "cd bundles/": "needs the public data set; tests/bundles trains with little",
    "torchrun": "tests/bundles runs it with little",
    "python -m monai.bundle run evaluating": "tests/bundles runs it",
}


def page_id(page: Path) -> str:
    """The path of a page in the repository."""
    return page.relative_to(REPOSITORY).as_posix()


def reason_not_to_run(page: Path, block: CodeBlock) -> str | None:
    """Why a block is not run, or None where it is."""
    if "not run" in block.marks:
        return block.marks["not run"]
    if page in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"):
        start = block.text.lstrip()
        return next((reason for begin, reason in _NOT_RUN.items() if start.startswith(begin)), None)
    return None


@dataclass(frozen=True)
class Command:
    """A command on a page: its line from 1, its words, and whether it is in a block or `code` within the text."""

    line: int
    words: list[str]
    in_block: bool


def commands_of(page: Path) -> list[Command]:
    """The commands on a page; they end at a pipe, a redirection or the next command."""
    found = []
    blocks = read_blocks(page)
    for block in blocks:
        found += [Command(block.line + 1, words, True) for line in block.commands for words in _split(line)]
    code = {number for block in blocks for number in range(block.line, block.end + 1)}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
        if number not in code:
            for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
                if re.match(r"(kneebundle [a-z]|(\./)?scripts/\w|python -m )", span):
                    found += [Command(number + 1, words, False) for words in _split(span)]
    return found


def _split(line: str) -> list[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#" if " #" in line else ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= set("|&;<>"):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError as error:
        raise AssertionError(f"{line!r}: {error}") from None
    without_settings = [_skip_settings(words) for words in commands]
    return [words for words in without_settings if words]


def _skip_settings(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words
