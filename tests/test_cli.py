"""The command line: exit codes, one clear line for what is wrong, and quick help."""

from __future__ import annotations

import ast
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
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
        (["predict", "IN", "-o", "OUT", "--formats", "json,pdf"], "'pdf' is not one of json, csv, png, html, seg, sr"),
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


def test_a_wrong_folder_of_bundles_is_an_error_of_the_call(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    for wrong in (tmp_path / "nowhere", tmp_path / "in"):
        code, out, err = call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "1", "--bundles", wrong)
        assert (code, out, len(err)) == (2, "", 1)
        assert f"{wrong}: no bundle is in this folder" in err[0] and "--bundles" in err[0]
    assert not (tmp_path / "out").exists()


def test_what_is_made_again_is_said(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    for name in "abc":
        write_picture(tmp_path / f"in/{name}.png", 100)
    arguments = ("predict", tmp_path / "in", "-o", tmp_path / "out", "--side", "R", "--spacing")
    call(*arguments, "0.5")
    write_picture(tmp_path / "in/a.png", 120)
    code, out, err = call(*arguments, "0.5")
    assert (code, err) == (0, [])
    assert out.splitlines()[0].startswith("1 done, 2 done before")
    assert out.splitlines()[1] == "1 made again: 1 whose image changed"
    assert call(*arguments, "0.6", "--stages", "1")[1].splitlines()[1].startswith("3 made again: 3 with another")


def test_a_folder_of_another_command_is_an_error_of_the_call(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "1")
    for command in (("register", tmp_path / "in", "-o"), ("synthesize", "--count", 1, "-o")):
        code, out, err = call(*command, tmp_path / "out")
        assert (code, out, len(err)) == (2, "", 1)
        assert "kneebundle predict wrote" in err[0] and "with -o" in err[0]


def test_a_truth_with_another_pixel_size_than_the_prediction_is_said(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--side", "L")
    columns = ",".join(f"{axis}{i}" for i in range(16) for axis in "xy")
    for spacing, warned in (("0.5", False), ("0.502", False), ("0.15", True)):
        (tmp_path / "t.csv").write_text(f"image,side,spacing_mm,{columns}\na.png,l,{spacing}{',20' * 32}\n")
        code, _, err = call("evaluate", "--predictions", tmp_path / "out", "--truth", tmp_path / "t.csv")
        assert code == 0
        assert any("0.15 x 0.15 mm in the truth, 0.5 x 0.5 mm in the prediction" in line for line in err) == warned


@pytest.mark.parametrize("landmarks", ["²", "1,²", "x", "-1", "٣"])
def test_numbers_of_landmarks_that_are_none(call, landmarks: str) -> None:  # type: ignore[no-untyped-def]
    from kneebundle.cli.evaluate import _parse_landmarks

    with pytest.raises(click.UsageError, match="numbers from 0 to 15"):
        _parse_landmarks(landmarks)


def test_a_stream_of_another_encoding_gets_escapes() -> None:
    code = "from kneebundle.cli.entry import main; main(['predict', 'in_膝', '-o', 'out'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"}, check=False
    )
    assert done.returncode == 2
    assert b"in_\\u819d" in done.stderr and b"Traceback" not in done.stderr


STOPPED = """
import sys, time
from pathlib import Path
from kneebundle.cli.entry import main
from kneebundle.pipelines.by_view import PipelinesByView
from tests.batch.fakes import FakePipeline

class Slow(FakePipeline):
    def predict_batch(self, radiographs):
        if len(self.batches) == 2:
            out = Path(sys.argv[sys.argv.index("-o") + 1])
            while len(list(out.glob("*.json"))) < 2:  # threads write
                time.sleep(0.05)
            print("working", flush=True)
            time.sleep(60)
        return super().predict_batch(radiographs)

PipelinesByView.from_bundles = lambda _: Slow()
main(sys.argv[1:])
"""


def test_an_interrupt_while_it_is_loaded_is_no_traceback() -> None:
    code = """
import builtins
real = builtins.__import__
def load(name, *rest):
    if name == "click":
        raise KeyboardInterrupt
    return real(name, *rest)
builtins.__import__ = load
import kneebundle.cli
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (130, "")


def test_a_copy_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise shutil.Error([("a/x.py", "b/x.py", "[Errno 28] No space left on device: 'a/x.py'")] * 9)

    monkeypatch.setattr("kneebundle.label_app.folder.write_app", fail)
    with pytest.raises(SystemExit, match="1"):
        cli.main(["label-app", "-o", "b"])
    assert capsys.readouterr().err == "kneebundle: cannot copy a/x.py ([Errno 28] No space left on device)\n"


def test_an_empty_path_is_not_the_working_folder(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    code, _, said = call("predict", "", "-o", tmp_path / "out")
    assert code == 2 and "the path is empty" in said[0]
    code, _, said = call("predict", tmp_path, "-o", "")
    assert code == 2 and "the path is empty" in said[0]


@pytest.mark.parametrize(("name", "overwrite"), [("SIGINT", False), ("SIGTERM", False), ("SIGHUP", True)])
def test_a_run_that_is_stopped_leaves_tables_and_nothing_half_written(
    tmp_path: Path, name: str, overwrite: bool
) -> None:
    for i in range(4):
        write_picture(tmp_path / f"in/k{i}.png", 100 + i)
    call = ["predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--batch-size", "1"]
    command = [sys.executable, "-c", STOPPED, *map(str, call), *(["--overwrite"] if overwrite else [])]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_catch_interrupts
    ) as run:
        assert run.stdout is not None and run.stdout.readline() == "working\n"
        run.send_signal(getattr(signal, name))
        said = run.communicate(timeout=60)[1].strip().splitlines()
    how = "without --overwrite " if overwrite else ""
    assert said == [f"kneebundle: stopped; what is done stays, run it again {how}to go on"]
    assert run.returncode == 128 + getattr(signal, name)
    done = {path.stem for path in (tmp_path / "out").glob("*.json")}
    assert done == {"k0", "k1"}
    table = (tmp_path / "out/landmarks.csv").read_text().splitlines()
    assert len(table) == 1 + 16 * 2
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".kneebundle-")]
    assert left == [] and not any((tmp_path / "out/.kneebundle/staging").glob("*"))


def _catch_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process of a shell ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and one under nohup this


def test_without_a_command_the_help_is_shown_and_an_error_of_the_disk_is_one_line(  # type: ignore[no-untyped-def]
    tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = call()
    assert (code, out) == (2, "") and err[0].startswith("Usage: kneebundle")

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("kneebundle.bundles.list_bundles", fail)
    code, out, err = call("bundles")
    assert (code, out, len(err)) == (1, "", 1) and "No space left on device" in err[0]


def test_knees_without_prediction_or_label_are_said(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    header = ",".join(f"{axis}{i}" for i in range(16) for axis in "xy")
    points = ",".join(f"{10 * i},{50 + i % 4}" for i in range(16))
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / "in" / name, 100)
    call("predict", tmp_path / "in", "-o", tmp_path / "out", "--spacing", "0.5", "--side", "R")
    rows = [f"{name}.png,R,0.5,{points}\n" for name in ("a", *"uvwxyz")]
    (tmp_path / "truth.csv").write_text(f"image,side,spacing_mm,{header}\n" + "".join(rows))
    code, _, err = call("evaluate", "--predictions", tmp_path / "out", "--truth", tmp_path / "truth.csv")
    assert code == 0
    assert "no prediction for 6 knees: u.png R, v.png R, w.png R, x.png R, y.png R and 1 more" in err
    assert "1 predicted knees have no label and were left out" in err


def test_a_manifest_is_predicted_on_and_verbose_says_what_is_done(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "in/a.png", 100)
    (tmp_path / "m.csv").write_text(f"path,side,spacing_mm\n{tmp_path / 'in/a.png'},R,0.5\n")
    logger = logging.getLogger("kneebundle")
    before, level = list(logger.handlers), logger.level
    try:
        code, _, _ = call("predict", "--manifest", tmp_path / "m.csv", "-o", tmp_path / "out", "--verbose")
        assert code == 0 and (tmp_path / "out/a.json").is_file()
        assert logger.level == logging.INFO and len(logger.handlers) == len(before) + 1
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)
