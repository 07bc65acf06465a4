"""The command line: exit codes, one clear line for what is wrong, and quick help."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kneebundle import cli
from kneebundle.cli.entry import COMMANDS, get_command
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
        return int(stopped.value.code or 0), said.out, said.err.splitlines()

    return run


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from kneebundle.cli.entry import _run; assert _run(['predict', '--help']) == 0;"
        "heavy = {'torch', 'monai', 'itk', 'pandas', 'matplotlib', 'numpy', 'PIL'} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


OPTIONS = {
    option for command in map(get_command, COMMANDS) for parameter in command.params for option in parameter.opts
}


def test_advice_names_options_that_there_are() -> None:
    for advice in cli.ADVICE.values():
        named = re.findall(r"(?<!\w)--?[a-z][a-z-]*", advice)
        assert named and set(named) <= OPTIONS, advice


def strings_in_code(path: Path) -> Iterator[str]:
    """The texts in a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    statements = [
        node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    docstrings = {id(statement.value) for statement in statements}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_the_command_line_alone_names_its_options() -> None:
    option = re.compile(rf"(?<!\S)({'|'.join(name for name in OPTIONS if name.startswith('--'))})\b")
    package = Path(cli.__file__).parent.parent
    modules = [path for path in package.rglob("*.py") if not {"cli", "_bundles"} & set(path.parts)]
    named = {str(path): text for path in modules for text in strings_in_code(path) if option.search(text)}
    assert not named


def test_predict_then_evaluate(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    code, out, err = call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--side", "L")
    assert (code, err) == (0, [])
    assert out.startswith("1 done, 0 done before, 0 refused")
    points = [line.split(",")[4:6] for line in (tmp_path / "out/landmarks.csv").read_text().splitlines()[1:]]
    columns = ",".join(f"{axis}{i}" for i in range(16) for axis in "xy")
    values = ",".join(",".join(p) for p in points)
    (tmp_path / "t.csv").write_text(f"image,side,spacing_mm,{columns}\na.png,L,0.5,{values}\n")
    code, out, err = call("evaluate", "--predictions", tmp_path / "out", "--truth", tmp_path / "t.csv")
    assert (code, err) == (0, [])
    assert out.splitlines()[1].split()[:7] == ["all", "1", "0", "100.0", "100.0", "100.0", "100.0"]
    made = {path.name for path in (tmp_path / "out").glob("evaluation*")}
    assert made == {"evaluation.json", "evaluation.csv", "evaluation.png", "evaluation_knees.csv"}


def test_a_file_that_cannot_be_used_makes_exit_code_1(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    (tmp_path / "in/b.dcm").write_bytes(b"nothing")
    code, _, err = call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5")
    assert code == 1
    assert err[0].startswith(f"refused {tmp_path / 'in/b.dcm'}: ")
    assert len((tmp_path / "out/errors.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "-o", "OUT"], "give either files and folders, or --manifest"),
        (["predict", "IN", "--manifest", "m.csv", "-o", "OUT"], "give either files and folders, or --manifest"),
        (["predict", "IN"], "Missing option '-o'"),
        (["predict", "IN", "-o", "OUT"], "no image was found"),
        (["predict", "IN/none.dcm", "-o", "OUT"], "no such file or folder"),
        (["predict", "IN", "-o", "OUT", "--formats", "json,pdf"], "'pdf' is not one of json, csv, png, seg, sr"),
        (["predict", "IN", "-o", "OUT", "--view", "oblique"], "'oblique' is not one of"),
        (["predict", "IN", "-o", "OUT", "--view", "pa-single", "--formats", "seg"], "for the bones of lateral films"),
        (["predict", "IN", "-o", "OUT", "--side", "left"], "'left' is not one of"),
        (["predict", "IN", "-o", "OUT", "--spacing", "0"], "0.0 is not in the range x>0"),
        (["predict", "IN", "-o", "OUT", "--side", "R", "--view", "pa-bilateral"], "films of a single knee"),
        (["predict", "IN", "-o", "OUT", "--actors", "2"], "--address and --actors are for --engine ray"),
        (["predict", "--manifest", "IN/bad.csv", "-o", "OUT"], "no column 'path'; found: file"),
        (["evaluate", "--predictions", "IN", "--truth", "IN/bad.csv"], "there is no such table"),
        (["evaluate", "--predictions", "IN", "--truth", "IN/bad.csv", "--landmarks", "0,99"], "numbers from 0 to 15"),
        (["bundles", "--bundles", "IN"], "no bundle is in this folder"),
        (["pack", "nothing", "-o", "OUT"], "there is no bundle 'nothing'"),
        (["pack", "IN", "-o", "OUT"], "configs/metadata.json is missing or empty"),
        (["prepare-crops", "--images", "IN", "--annotations", "IN/bad.csv", "-o", "OUT"], "no column 'subject_id'"),
        (["prepare-oai", "--oai-dir", "IN", "--annotations", "IN/bad.csv", "-o", "OUT"], "no column 'subject_id'"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(tmp_path: Path, call, arguments: list[str], says: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "IN").mkdir()
    (tmp_path / "IN/bad.csv").write_text("file\nx\n")
    code, out, err = call(
        *(a.replace("IN", str(tmp_path / "IN")).replace("OUT", str(tmp_path / "OUT")) for a in arguments)
    )
    assert (code, out, len(err)) == (2, "", 1)
    assert says in err[0]


def test_synthesize_lateral_films(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    code, out, err = call(
        "synthesize", "--view", "lateral", "-o", tmp_path, "--count", 1, "--pixels", 128, "--size", 200
    )
    assert (code, err) == (0, []) and "1 knees" in out
    assert (tmp_path / "images/lateral0_00000.png").is_file()
    assert len(list((tmp_path / "masks").iterdir())) == 4
    row = (tmp_path / "points.csv").read_text().splitlines()[1]
    assert row.startswith("lateral0_00000.png,lateral0_00000,1.56250,")


@pytest.mark.parametrize("arguments", [("--view", "lateral", "--spacing", 0.3), ("--pixels", 256)])
def test_synthesize_options_of_the_other_view(tmp_path: Path, call, arguments: tuple) -> None:  # type: ignore[no-untyped-def]
    code, _, err = call("synthesize", "-o", tmp_path / "out", *arguments)
    assert code == 2 and len(err) == 1
    assert not (tmp_path / "out").exists()
