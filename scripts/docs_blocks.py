"""The code blocks of a Markdown page, for the site (scripts/docs_hooks.py) and for its tests (tests/docs).

A block is fenced, or indented by four spaces as GitHub shows it, too. The slow tests run the blocks of a page one after
the other. An HTML comment right before a block says what else they do with it:

    <!-- not run: reason -->      it cannot run here; its commands, options and paths are still checked
    <!-- goes on: PATTERN -->     a server: it has started when PATTERN was printed; it is stopped (Ctrl-C) at the end
    <!-- exit code: N -->         it ends with that code
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CodeBlock", "guess_language", "read_blocks"]

SHELL = re.compile(
    r"^(\$ )?([A-Z_]+=\S+ )*(\./)?"
    r"(bash|cd|cp|curl|docker|export|git|jq|kneebundle|mkdir|mkdocs|monailabel|openssl|pip|pip3|pre-commit|printf|python|python3|ray"
    r"|scripts/\S+|source|ssh|sudo|systemctl|tensorboard|torchrun|unzip|useradd)\b"
)
PYTHON = re.compile(r"^(import |from \S+ import |>>> |result = |flags = |extra = |session\.)")
FENCE = re.compile(r"^( *)(```+|~~~+) *([\w+-]*)[^\n]*$")
COMMENT = re.compile(r"^<!-- (not run|goes on|exit code)(?:: (.*?))? -->$")
LIST_ITEM = re.compile(r"^ {0,3}([-*+]|\d+\.) ")


@dataclass(frozen=True)
class CodeBlock:
    """One block.

    Attributes:
        line, end: its first and last line in the page, from 0, fences included.
        language: as the fence says, else as guessed.
        text: without indentation and fences.
        fenced: or indented.
        marks: the comments before it, ``{"not run": reason}``.
    """

    line: int
    end: int
    language: str
    text: str
    fenced: bool
    marks: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, each on one line, without prompts and comments."""
        if self.language not in ("bash", "console", "sh"):
            return []
        joined = re.sub(r"\\\n\s*", " ", self.text)
        lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]


def guess_language(text: str) -> str:
    """Say what an indented block is: bash, python, json or text."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return "text"
    if SHELL.match(lines[0]):
        return "bash"
    if PYTHON.match(lines[0]):
        return "python"
    return "json" if lines[0].startswith("{") else "text"


def read_blocks(page: str | Path) -> list[CodeBlock]:
    """Read the code blocks of a page, given as a file or its text, from its top to its end."""
    lines = (page.read_text(encoding="utf-8") if isinstance(page, Path) else page).splitlines()
    blocks = []
    number = 0
    in_list = False
    while number < len(lines):
        line = lines[number]
        fence = FENCE.match(line)
        if fence:
            end = _find_fence(lines, number, fence)
            indent = len(fence[1])
            text = "\n".join(row[min(indent, len(row) - len(row.lstrip())) :] for row in lines[number + 1 : end])
            blocks.append(CodeBlock(number, end, fence[3] or "text", text, True, _read_marks(lines, number)))
            number = end + 1
            continue
        if line.strip() and not line.startswith("    "):
            in_list = bool(LIST_ITEM.match(line)) or (in_list and line.startswith(" "))
        starts = line.startswith("    ") and line.strip() and not in_list
        if starts and (number == 0 or not lines[number - 1].strip() or lines[number - 1].startswith(("#", "<!--"))):
            end = _find_end(lines, number)
            text = "\n".join(row[4:] for row in lines[number : end + 1])
            blocks.append(CodeBlock(number, end, guess_language(text), text, False, _read_marks(lines, number)))
            number = end
        number += 1
    return blocks


def _find_fence(lines: list[str], start: int, fence: re.Match[str]) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip().startswith(fence[2]) and not lines[number].strip().strip(fence[2][0]):
            return number
    raise ValueError(f"line {start + 1}: the fence has no end")


def _find_end(lines: list[str], start: int) -> int:
    """The last line of an indented block; blank lines inside it are part of it."""
    end = start
    for number in range(start + 1, len(lines)):
        if lines[number].strip() and not lines[number].startswith("    "):
            break
        if lines[number].strip():
            end = number
    return end


def _read_marks(lines: list[str], start: int) -> dict[str, str]:
    marks = {}
    number = start - 1
    while number >= 0 and (not lines[number].strip() or lines[number].lstrip().startswith("<!--")):
        found = COMMENT.match(lines[number].strip())
        if found:
            marks[found[1]] = found[2] or ""
        elif lines[number].strip():
            break
        number -= 1
    return marks
