"""Runs that are started in no time, to be killed: a process with everything imported forks off each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_SERVER = """
import json, os, sys

{prelude}

print(0, flush=True)
for line in sys.stdin:
    folder, log, arguments = json.loads(line)
    if os.fork() == 0:
        os.setsid()
        print(os.getpid(), flush=True)
        os.chdir(folder)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.dup2(1, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        run(*arguments)
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


class ForkServer:
    """Starts one run after the other, each in a session of its own.

    Args:
        prelude: Python code that imports what a run needs and defines ``run``.
        log: what a run prints is there.
    """

    def __init__(self, prelude: str, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVER.format(prelude=prelude)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read_number()  # all is imported

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, folder: Path, *arguments: str) -> int:
        """Start a run in a folder; its process, which leads a group of its own."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(folder), str(self.log), arguments]) + "\n")
        self._process.stdin.flush()
        return self._read_number()

    def kill(self, process: int) -> None:
        """Kill a run with all that it started; it may have ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)

    def wait(self) -> int:
        """The exit code of the run, negative if a signal ended it."""
        return self._read_number()

    def read_log(self) -> str:
        """What the last run has printed."""
        return self.log.read_text(errors="replace")

    def _read_number(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts runs has died"
        return int(line)
