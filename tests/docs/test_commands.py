"""Every command on the site is one that there is; the slow tests run them, page by page, in order."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import click
import pytest

from kneebundle.cli.entry import COMMANDS, get_command
from tests.docs.pages import CARDS, PAGES, REPOSITORY, commands_of, page_id, read_blocks, reason_not_to_run
from tests.docs.reader import Reader

ALL_PAGES = [*PAGES, *CARDS]
BUNDLE_FILES = ("docs/README.md", "docs/data_license.txt")
MONAI_ARGUMENTS = set("config_file meta_file logging_file bundle_root run_id init_id final_id tracking".split())


@pytest.mark.parametrize("page", ALL_PAGES, ids=page_id)
def test_commands_and_options_are_those_of_the_program(page: Path, tmp_path: Path) -> None:
    for block in read_blocks(page):
        if block.language == "toml":  # a settings file, which begins with its name
            (tmp_path / Path(block.text.split("\n")[0].lstrip("# ")).name).write_text(block.text)
    for command in commands_of(page):
        words = command.words
        where = f"{page_id(page)}, line {command.line}: {' '.join(words)}"
        if words[0].removeprefix("./").startswith("scripts/"):
            check_script(words, where)
        elif words[:4] == ["python", "-m", "monai.bundle", "run"] and len(words) > 4:
            check_bundle_run(page, words, where)
        elif words[0] == "kneebundle" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in COMMANDS, where
            if "--config" in words:
                place = words.index("--config") + 1
                words[place] = str(tmp_path / Path(words[place]).name)
            check_arguments(get_command(words[1]), words[2:], where, command.in_block)


def check_arguments(command: click.Command, arguments: list[str], where: str, whole: bool) -> None:
    """Let click read the arguments; of a command within a text, which may leave the rest out, the options alone."""
    if whole:
        try:
            command.make_context("kneebundle", list(arguments))
        except click.ClickException as error:
            pytest.fail(f"{where}: {error.format_message()}")
        return
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
    assert named <= options | {"-h", "--help"}, where


def check_script(words: list[str], where: str) -> None:
    script = REPOSITORY / words[0].removeprefix("./")
    assert script.is_file(), where
    text = script.read_text()
    if script.name in ("test", "demo"):  # arguments go to pytest
        assert all((REPOSITORY / word).exists() for word in words[1:] if word.startswith("tests/")), where
        return
    for option in (word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)):
        known = re.search(rf"[\"']{option}[\"')]", text) or option in text.split()
        assert known, f"{where}: {script.name} has no {option}"


def check_bundle_run(page: Path, words: list[str], where: str) -> None:
    """The settings on the command line are keys of the configuration, that of the card's bundle or of the landmarks."""
    options = [word[2:] for word in words if word.startswith("--")]
    named = page.parts[-3] if page in CARDS else "knee_landmark_localization"
    files = [word for word in words if "configs/" in word]
    assert files, f"{where}: no --config_file"
    configs = re.findall(r"configs/\w+\.json", files[0])
    keys: set[str] = set()
    for config in configs:
        path = REPOSITORY / "bundles" / named / config
        assert path.is_file(), where
        keys |= set(json.loads(path.read_text()))
    unknown = {re.split("[#:]", option)[0] for option in options} - keys - MONAI_ARGUMENTS
    assert not unknown, f"{where}: {configs} have no {sorted(unknown)}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=page_id)
def test_paths_of_the_repository_are_there(page: Path) -> None:
    """What is called scripts/x, tests/x, samples/x, bundles/x or docs/x, in the text or in a block."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w/.}-])((?:scripts|tests|samples|bundles|docs)/[\w./-]*\w)(?![\w{*<])", text):
        assert (REPOSITORY / path).exists() or path in BUNDLE_FILES, f"{page_id(page)} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_say_what_they_are(page: Path) -> None:
    """A fence has a language; Python can be parsed; a comment that should tell the tests something does."""
    for block in read_blocks(page):
        where = f"{page_id(page)}, line {block.line + 1}"
        if block.language == "python":
            ast.parse(block.text, where)
        assert "not run" not in block.marks or block.marks["not run"], f"{where}: no reason given"
        assert block.language in ("bash", "python", "json", "text", "toml", "yaml", "ini", "lua"), where
        before = page.read_text(encoding="utf-8").splitlines()[max(block.line - 1, 0)].strip()
        mark = re.match(r"<!-- (not run|goes on|exit code): \S", before)
        assert mark or not before.startswith("<!--"), f"{where}: {before}"


def runs(page: Path) -> bool:
    blocks = [block for block in read_blocks(page) if block.language in ("bash", "python")]
    return any(reason_not_to_run(page, block) is None for block in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=page_id)
def test_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    """One after the other, in one folder and one shell, as somebody would who reads the page from its top."""
    with Reader(tmp_path) as reader:
        for block in read_blocks(page):
            if reason_not_to_run(page, block) is None:
                reader.do(block)
