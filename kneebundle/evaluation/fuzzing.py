"""Damaged files by the thousand: each must be read or be an error in one line, quickly and within memory.

What is damaged and who reads it is a :class:`FuzzTarget`; each is run in a process of its own, which is started anew
when it dies.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["TARGETS", "FuzzReport", "FuzzTarget", "format_reports", "fuzz", "mutate", "read_all"]

_SECONDS = 10.0
_MEMORY_MB = 2048
_PATIENCE_S = 120.0
_LONGEST_LINE = 500
_HALF_WRITTEN = re.compile(r"\.kneebundle-[0-9a-f]{12}.*|probe-.*")


@dataclass(frozen=True)
class FuzzTarget:
    """A kind of file that is damaged, and what reads it.

    Attributes:
        name: of the kind.
        share: how many of 100 damaged files are of it.
        opener: ``module:function``; the function is given a folder, writes whole files into it and gives them, with
            what is called with a damaged one.
    """

    name: str
    share: int
    opener: str


_HERE = "kneebundle.evaluation.fuzz_targets"
TARGETS = (
    FuzzTarget("images", 40, f"{_HERE}:open_images"),
    FuzzTarget("predictions", 16, f"{_HERE}:open_predictions"),
    FuzzTarget("tables", 12, f"{_HERE}:open_tables"),
    FuzzTarget("exchanged", 10, f"{_HERE}:open_exchanged"),
    FuzzTarget("folders", 8, f"{_HERE}:open_folders"),
    FuzzTarget("bundles", 6, f"{_HERE}:open_bundles"),
    FuzzTarget("annotate", 4, f"{_HERE}:open_annotation_server"),
    FuzzTarget("label", 4, "kneebundle.label_app.fuzzed_requests:open_label"),
)
"""What is damaged, in shares of 100."""

Reader = Callable[[Path], object]


@dataclass
class FuzzReport:
    """What became of the files.

    Attributes:
        read: files that were read.
        errors: files that were an error in one line.
        faults: (name of the file, what went wrong): anything else.
        slowest_s: processor seconds of the slowest file.
        memory_mb: largest memory of the reading process.
    """

    read: int = 0
    errors: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    memory_mb: float = 0.0

    def list_cells(self) -> list[str]:
        """The cells of a row of :func:`format_reports`."""
        numbers = (str(self.read), str(self.errors), str(len(self.faults)))
        return [*numbers, f"{self.slowest_s:.2f}", f"{self.memory_mb:.0f}"]


def format_reports(reports: dict[str, FuzzReport]) -> str:
    """Format reports by name as a Markdown table, and up to 50 faults of each below it."""
    head = ["", "read", "errors in one line", "faults", "slowest, processor s", "largest memory, MB"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join([name, *report.list_cells()])} |" for name, report in reports.items()]
    faults = [(name, *fault) for name, report in reports.items() for fault in report.faults[:50]]
    return "\n".join([*lines, *(f"{name}: {file}: {what}" for name, file, what in faults)])


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file: flip bits, overwrite, cut, repeat, insert, exchange lengths for extremes.

    Example:
        >>> damaged = [mutate(b"x" * 64, np.random.default_rng(seed)) for seed in range(20)]
        >>> sum(one != b"x" * 64 for one in damaged) >= 18
        True
    """
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4, 16]))):
        if not data:
            break
        place = _choose_place(len(data), rng)
        what = int(rng.integers(9))
        if what == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif what == 1:
            data[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
        elif what == 2:
            del data[place:]
        elif what == 3:
            del data[place : place + int(rng.integers(1, 64))]
        elif what == 4:
            data[place:place] = rng.bytes(int(rng.integers(1, 64)))
        elif what == 5:
            piece = data[place : place + int(rng.integers(1, 256))]
            data[place:place] = piece * int(rng.integers(1, 8))
        elif what == 6:
            value = int(rng.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
            size = int(rng.choice([2, 4]))
            order: Any = rng.choice(["little", "big"])
            data[place : place + size] = (value % 256**size).to_bytes(size, order)
        elif what == 7:
            other = _choose_place(len(data), rng)
            length = int(rng.integers(1, 32))
            data[place : place + length] = data[other : other + length]
        else:
            data = _replace_word(data, rng)
    return bytes(data)


_WORDS = re.compile(rb"-?\d+(?:\.\d+)?|\"[^\"\n]{0,40}\"|null|true|false")
_OTHER_WORDS = (b"", b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"null", b'""', b"[]", b"{}", b'"=1+1"')


def _replace_word(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Put another value in place of a number or text, so that tables and JSON stay such and say nonsense."""
    words = [found.span() for found in _WORDS.finditer(bytes(data[:65536]))]
    if not words:
        return data
    start, end = words[int(rng.integers(len(words)))]
    return data[:start] + _OTHER_WORDS[int(rng.integers(len(_OTHER_WORDS)))] + data[end:]


def _choose_place(length: int, rng: np.random.Generator) -> int:
    """Headers are hit more often than pixels."""
    return int(rng.integers(min(length, 1024) if rng.random() < 0.7 else length))


def fuzz(target: FuzzTarget, folder: Path, count: int, seed: int = 0) -> FuzzReport:
    """Damage whole files of a kind and read each.

    Args:
        target: the kind.
        folder: for whole and damaged files; faulty ones stay there, in ``damaged``.
        count: of damaged files.
        seed: decides the damage.
    """
    damaged = folder / "damaged"
    damaged.mkdir(parents=True, exist_ok=True)
    process = _Process(target.opener, folder)
    contents = [(path.name, path.read_bytes()) for path in process.seeds]

    def write_damaged() -> Iterable[Path]:
        for number in range(count):
            name, content = contents[number % len(contents)]
            path = damaged / f"{seed}_{number:06d}_{name}"
            path.write_bytes(mutate(content, np.random.default_rng((seed, number))))
            yield path

    return _ask_about(write_damaged(), process, delete=True)


def read_all(paths: Sequence[Path], target: FuzzTarget, folder: Path) -> FuzzReport:
    """Read files as they are, see :func:`fuzz`; they stay where they are."""
    return _ask_about(paths, _Process(target.opener, folder), delete=False)


def _ask_about(paths: Iterable[Path], process: _Process, delete: bool) -> FuzzReport:
    report = FuzzReport()
    for path in paths:
        answer = process.ask(path)
        seconds = 0.0 if answer is None else float(answer["seconds"])
        fault = "the process died or did not answer" if answer is None else answer.get("fault")
        memory_mb = 0.0 if answer is None else float(answer["memory_mb"])
        if fault is None and seconds > _SECONDS:
            fault = f"{seconds:.1f} s"
        if fault is None and memory_mb > _MEMORY_MB:
            fault = f"{memory_mb:.0f} MB"
        if fault is not None:
            report.faults.append((path.name, fault))
            process.restart()
            continue
        report.slowest_s = max(report.slowest_s, seconds)
        report.memory_mb = max(report.memory_mb, memory_mb)
        if answer is not None and "error" in answer:
            report.errors += 1
        else:
            report.read += 1
        if delete:
            path.unlink()
    process.end()
    return report


class _Process:
    """The process that reads.

    Args:
        opener: of a target.
        folder: for its files.

    Attributes:
        seeds: the whole files.
    """

    def __init__(self, opener: str, folder: Path) -> None:
        self.opener, self.folder = opener, folder
        self.seeds: list[Path] = []
        self.restart()

    def restart(self) -> None:
        if hasattr(self, "_process"):
            self.end()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVE, self.opener, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self._answer()
        if not line:
            raise RuntimeError(f"{self.opener} does not start")
        self.seeds = [Path(name) for name in json.loads(line)]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, path: Path) -> dict[str, Any] | None:
        """What became of the file; None if the process died, or had to be ended because it did not answer."""
        assert self._process.stdin is not None
        timer = threading.Timer(_PATIENCE_S, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
            line = self._answer()
        except OSError:
            return None
        finally:
            timer.cancel()
        return json.loads(line) if line.endswith("\n") else None

    def _answer(self) -> str:
        """The next line that is one of :func:`_say`; libraries print, too."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith(_SIGN):
                return line.removeprefix(_SIGN)
        return ""


_SERVE = "import sys; from kneebundle.evaluation.fuzzing import _serve; _serve(*sys.argv[1:])"
_SIGN = "kneebundle-fuzz "


def _say(content: object) -> None:
    print(f"{_SIGN}{json.dumps(content)}", flush=True)


def _serve(opener: str, folder: str) -> None:
    """Read the files whose names come on stdin; say for each what became of it."""
    module, name = opener.split(":")
    (Path(folder) / "damaged").mkdir(parents=True, exist_ok=True)
    seeds, read = getattr(importlib.import_module(module), name)(Path(folder))
    _say([str(path) for path in seeds])
    for line in sys.stdin:
        begin = _measure_processor_time()
        answer = _try(partial(read, Path(line.rstrip("\n"))))
        if "fault" not in answer and (left := _find_half_written(Path(folder))):
            answer = {"fault": f"half written: {left}"}
        seconds = _measure_processor_time() - begin
        _say({**answer, "seconds": seconds, "memory_mb": _measure_memory()})


def _try(read: Callable[[], object]) -> dict[str, Any]:
    try:
        read()
    except KneeBundleError as error:
        text = error.reason
        if "\n" in text or len(text) > _LONGEST_LINE or "unexpected" in text:
            return {"fault": f"not one short line: {text[:200]}"}
        return {"error": text}
    except BaseException as error:  # that is what is looked for
        return {"fault": f"{type(error).__name__}: {error}"[:300]}
    return {}


def _find_half_written(folder: Path) -> str | None:
    found = (path for path in folder.rglob(".*") if _HALF_WRITTEN.fullmatch(path.name))
    return next((path.name for path in found), None)


def _measure_processor_time() -> float:
    """Processor seconds of this process and of its workers."""
    ticks = 0
    for folder in _list_processes():
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _measure_memory() -> float:
    """Largest memory of this process and of its workers, in MB."""
    total = 0.0
    for folder in _list_processes():
        peak = [line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM")]
        total += float(peak[0].split()[1]) / 1024 if peak else 0.0
    return total


def _list_processes() -> list[Path]:
    from kneebundle.io import decoding

    pids = ["self", *(str(worker.process.pid) for worker in decoding._idle)]
    return [folder for folder in (Path("/proc", pid) for pid in pids) if (folder / "stat").exists()]
