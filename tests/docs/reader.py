"""Somebody who reads a page of the documentation and does what it says, in a folder of their own.

In the folder are the names that pages use for what a reader has: ``FOLDER`` and ``FILMS`` with drawn films, ``DIR`` and
``IMAGES`` with drawn knees, ``knee.dcm``, ``knee.png``, ``lateral.dcm``, ``files.csv``, ``landmarks.csv``, and of the
repository ``samples``, ``bundles`` and ``scripts``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from tests.docs.pages import REPOSITORY, CodeBlock

__all__ = ["Reader"]

LONGEST = 1800.0
"""Seconds that a block may take."""

_PYTHON = """
import json, os, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    block = json.loads(line)
    os.chdir(block["folder"])
    try:
        exec(compile(block["text"], block["name"], "exec"), names)
        answer = "done"
    except BaseException:
        answer = traceback.format_exc()
    sys.stdout.flush()
    print("\\0" + json.dumps(answer), file=sys.stderr, flush=True)
"""


class Reader:
    """Runs blocks one after the other; what a shell keeps (folder, exported names) is kept from block to block."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.state = folder / "state"
        self.log = folder / "log.txt"
        self.state.mkdir(parents=True)
        lay_out(self.home)
        (self.state / "folder").write_text(f"{self.home}\n")
        bin_folder = Path(sys.executable).parent
        environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self.environment = environment | {
            "PATH": f"{bin_folder}{os.pathsep}{environment['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self.servers: list[tuple[CodeBlock, subprocess.Popen[str]]] = []
        self.python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends = [self._stop(process) for _, process in reversed(self.servers)]
        if self.python is not None:
            self.python.kill()
            self.python.wait()
        if error is None:
            assert all(code in (0, 130, -signal.SIGINT) for code in ends), (ends, self.log.read_text()[-3000:])

    @property
    def folder(self) -> Path:
        """Where the shell is."""
        return Path((self.state / "folder").read_text().strip())

    def do(self, block: CodeBlock) -> None:
        """Run a block: shell, Python, or nothing for a text. What goes wrong is an AssertionError with the output."""
        if block.language == "python":
            self._run_python(block)
        elif block.language == "bash" and "goes on" in block.marks:
            self._start(block)
        elif block.language == "bash":
            self._run_shell(block)

    def _run_shell(self, block: CodeBlock) -> None:
        script = "\n".join([*self._beginning(), block.text, 'pwd > "$STATE/folder"; export -p > "$STATE/names"'])
        expected = int(block.marks.get("exit code", 0))
        done = subprocess.run(
            ["bash", "-c", script], env=self.environment, text=True, timeout=LONGEST, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        self._write_log(block, done.stdout)
        where = f"line {block.line + 1}: exit code {done.returncode}"
        assert done.returncode == expected, f"{where}\n{block.text}\n{done.stdout[-3000:]}"

    def _beginning(self) -> list[str]:
        names = f"set +e; source {self.state}/names 2>/dev/null"
        return [f"export STATE={self.state}", names, f"cd {self.folder}", "set -euo pipefail"]

    def _start(self, block: CodeBlock) -> None:
        """Start a server, wait until it prints what the mark says, and do what one does with it."""
        script = "\n".join([*self._beginning(), f"exec {block.text.strip()}"])
        output = self.state / f"server{len(self.servers)}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", script], env=self.environment, text=True, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_heed_interrupts,
            )  # fmt: skip
        self.servers.append((block, process))
        pattern = block.marks["goes on"]
        deadline = time.monotonic() + 120
        while not re.search(pattern, output.read_text()):
            assert process.poll() is None and time.monotonic() < deadline, f"{block.text}\n{output.read_text()}"
            time.sleep(0.2)
        self._write_log(block, output.read_text())
        if block.commands[0].startswith("kneebundle annotate"):
            found = re.search(r"http://\S+", output.read_text())
            assert found is not None
            accept_all(found[0])
            assert self._stop(process) in (0, 130)
            self.servers.pop()

    @staticmethod
    def _stop(process: subprocess.Popen[str]) -> int:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def _run_python(self, block: CodeBlock) -> None:
        if self.python is None:
            self.python = subprocess.Popen(
                [sys.executable, "-c", _PYTHON], env=self.environment, text=True, stdin=subprocess.PIPE,
                stdout=self.log.open("a"), stderr=subprocess.PIPE,
            )  # fmt: skip
        assert self.python.stdin is not None and self.python.stderr is not None
        told = {"text": block.text, "folder": str(self.folder), "name": f"line {block.line + 1}"}
        self.python.stdin.write(json.dumps(told) + "\n")
        self.python.stdin.flush()
        watch = threading.Timer(LONGEST, self.python.kill)
        watch.start()
        said = []
        for line in self.python.stderr:
            if line.startswith("\0"):
                answer = json.loads(line[1:])
                break
            said.append(line)
        else:
            answer = "Python ended: " + "".join(said)
        watch.cancel()
        self._write_log(block, "".join(said))
        assert answer == "done", f"line {block.line + 1}:\n{block.text}\n{answer}"

    def _write_log(self, block: CodeBlock, output: str) -> None:
        with self.log.open("a") as file:
            file.write(f"\n--- line {block.line + 1}\n{block.text}\n---\n{output}")


def _heed_interrupts() -> None:
    """Let Ctrl-C stop a server, also where the tests run in the background of a shell, which has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lay_out(home: Path) -> None:
    """Make the reader's folder."""
    samples = REPOSITORY / "samples"
    shutil.copytree(samples, home / "samples")
    shutil.copytree(REPOSITORY / "bundles", home / "bundles", ignore=shutil.ignore_patterns("output", "eval", "runs"))
    (home / "scripts").symlink_to(REPOSITORY / "scripts")
    for name in ("FOLDER", "FILMS"):
        shutil.copytree(samples / "films", home / name, ignore=shutil.ignore_patterns("*.csv"))
    for name in ("DIR", "IMAGES"):
        shutil.copytree(samples / "knees", home / name)
    shutil.copy(samples / "knees/knee_R_kl1.dcm", home / "knee.dcm")
    shutil.copy(samples / "knees/knee_R_kl2.png", home / "knee.png")
    shutil.copy(samples / "lateral/lateral_1.dcm", home / "lateral.dcm")
    shutil.copy(samples / "films/truth.csv", home / "landmarks.csv")
    (home / "files.csv").write_text("path,side,spacing_mm\nknee.dcm,,\nknee.png,R,0.2\n")


def accept_all(address: str) -> None:
    """Accept every knee at the page of ``kneebundle annotate``, by the requests that the page makes."""
    origin = "/".join(address.split("/")[:3])

    def ask(path: str, content: object = None) -> dict:
        data = None if content is None else json.dumps(content).encode()
        headers = {} if data is None else {"Origin": origin, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{address.rstrip('/')}/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    for entry in ask("films")["films"]:
        film = ask(f"films/{entry['name']}")
        items = [
            {"side": item["side"], "status": "accepted", "reason": "", "points": item["points"]}
            for item in film["items"]
            if item["points"]
        ]
        if items:
            ask(f"films/{entry['name']}", {"revision": film["revision"], "status": "accepted", "items": items})
