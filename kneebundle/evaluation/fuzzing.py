"""Damaged files by the thousand: each must be read or be an error in one line, quickly and within memory."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["FuzzReport", "fuzz_readers", "make_seeds", "mutate", "read_all"]

_SECONDS = 10.0
_MEMORY_MB = 2048
_PATIENCE_S = 120.0
_LONGEST_LINE = 500


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

    def format(self) -> str:
        """Format as the lines of a Markdown table."""
        rows = [
            ("files read", self.read),
            ("errors in one line", self.errors),
            ("faults", len(self.faults)),
            ("slowest file", f"{self.slowest_s:.2f} processor seconds"),
            ("largest memory of the reading process", f"{self.memory_mb:.0f} MB"),
        ]
        lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
        return "\n".join([*lines, *(f"{name}: {what}" for name, what in self.faults[:50])])


def make_seeds(folder: Path) -> list[Path]:
    """Write small files of each format that is read, and the tables, to be damaged.

    Args:
        folder: gets them; made if it is not there.

    Returns:
        The files.
    """
    import nibabel
    from PIL import Image
    from pydicom import uid

    from kneebundle.io.dicom_writing import write_dicom

    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:120, :100].astype(float)
    grey = (600 + 8 * rows + 5 * columns + 1200 * (np.hypot(columns - 50, rows - 60) < 30)).astype(np.uint16)
    syntaxes = {
        "plain": uid.ExplicitVRLittleEndian,
        "implicit": uid.ImplicitVRLittleEndian,
        "big": uid.ExplicitVRBigEndian,
        "deflated": uid.DeflatedExplicitVRLittleEndian,
        "rle": uid.RLELossless,
        "jls": uid.JPEGLSLossless,
        "j2k": uid.JPEG2000Lossless,
    }
    for name, syntax in syntaxes.items():
        write_dicom(folder / f"{name}.dcm", grey, (0.3, 0.3), transfer_syntax=syntax)
    eight = (grey >> 4).astype(np.uint8)
    Image.fromarray(eight).save(folder / "grey.png")
    Image.fromarray(grey).save(folder / "grey16.png")
    Image.fromarray(eight).save(folder / "grey.jpg")
    Image.fromarray(np.stack([eight] * 3, axis=-1)).save(folder / "colour.jpg")
    image = nibabel.Nifti1Image(np.ascontiguousarray(grey.T)[..., None], np.diag([-0.3, -0.3, 1, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / "plain.nii")
    (folder / "packed.nii.gz").write_bytes(gzip.compress((folder / "plain.nii").read_bytes()))
    header = (
        "ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = False\nElementSpacing = 0.3 0.3\n"
    )
    header += "DimSize = 100 120\nElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    (folder / "plain.mha").write_bytes(header.encode() + grey.tobytes())
    return sorted(path for path in folder.iterdir() if path.is_file())


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
        what = int(rng.integers(8))
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
        else:
            other = _choose_place(len(data), rng)
            length = int(rng.integers(1, 32))
            data[place : place + length] = data[other : other + length]
    return bytes(data)


def _choose_place(length: int, rng: np.random.Generator) -> int:
    """Headers are hit more often than pixels."""
    return int(rng.integers(min(length, 1024) if rng.random() < 0.7 else length))


def fuzz_readers(seeds: list[Path], folder: Path, count: int, seed: int = 0) -> FuzzReport:
    """Damage files and read each, in a process of its own that is started anew when it dies.

    Args:
        seeds: files to damage.
        folder: where the damaged files are written; faulty ones stay there.
        count: of damaged files.
        seed: decides the damage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return read_all(_write_damaged(seeds, folder, count, seed), delete=True)


def read_all(paths: Iterable[Path], delete: bool = False) -> FuzzReport:
    """Read files in a process of its own that is started anew when it dies.

    Args:
        paths: the files.
        delete: the files that are read, or an error in one line.
    """
    report = FuzzReport()
    process = _start()
    for path in paths:
        answer = _ask(process, path)
        seconds = 0.0 if answer is None else float(answer["seconds"])
        fault = "the process died or did not answer" if answer is None else answer.get("fault")
        memory_mb = 0.0 if answer is None else float(answer["memory_mb"])
        if fault is None and seconds > _SECONDS:
            fault = f"{seconds:.1f} s"
        if fault is None and memory_mb > _MEMORY_MB:
            fault = f"{memory_mb:.0f} MB"
        if fault is not None:
            report.faults.append((path.name, fault))
            process.kill()
            process = _start()
            continue
        report.slowest_s = max(report.slowest_s, seconds)
        report.memory_mb = max(report.memory_mb, memory_mb)
        if answer is not None and "error" in answer:
            report.errors += 1
        else:
            report.read += 1
        if delete:
            path.unlink()
    process.kill()
    return report


def _write_damaged(seeds: list[Path], folder: Path, count: int, seed: int) -> Iterator[Path]:
    contents = [(path.name, path.read_bytes()) for path in seeds]
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        name, content = contents[number % len(contents)]
        path = folder / f"{seed}_{number:06d}_{name}"
        path.write_bytes(mutate(content, rng))
        yield path


def _start() -> subprocess.Popen[str]:
    """Start the process that reads; returns when all is imported."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", "from kneebundle.evaluation.fuzzing import _serve; _serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _ask(process: subprocess.Popen[str], path: Path) -> dict[str, Any] | None:
    """What became of the file; None if the process died, or had to be ended because it did not answer."""
    assert process.stdin is not None and process.stdout is not None
    timer = threading.Timer(_PATIENCE_S, process.kill)
    timer.start()
    try:
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        return None
    finally:
        timer.cancel()
    return json.loads(line) if line.endswith("\n") else None


def _serve() -> None:
    """Read the files whose names come on stdin; say for each what became of it."""
    from kneebundle.io.reading import read_radiograph

    print("ready", flush=True)
    for line in sys.stdin:
        begin = _measure_processor_time()
        answer = _try(partial(read_radiograph, Path(line.rstrip("\n")), spacing_mm=0.3))
        seconds = _measure_processor_time() - begin
        print(json.dumps({**answer, "seconds": seconds, "memory_mb": _measure_memory()}), flush=True)


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
