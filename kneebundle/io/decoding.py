"""Decoding in processes of their own, so that a file on which a decoder crashes, hangs or grows costs only itself."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["decode_in_worker"]

_SECONDS = 60.0


def decode_in_worker(kind: str, path: Path, frame: int = 0) -> np.ndarray:
    """Decode a file in a worker process: one for each thread that asks at the same time, kept for the next file.

    Args:
        kind: ``"dicom"`` for a compressed DICOM file, ``"metaimage"``, or ``"placement"``, where ITK places any file.
        path: the file.
        frame: counted from 0.

    Raises:
        KneeBundleError: if the file cannot be decoded, or decoding crashed, took more than a minute or too much memory.
    """
    return decode_with_details(kind, path, frame)[0]


def decode_with_details(kind: str, path: Path, frame: int = 0) -> tuple[np.ndarray, dict[str, Any]]:
    """As :func:`decode_in_worker`, with what else the decoder says."""
    worker = _take()
    try:
        answer = worker.ask({"kind": kind, "path": str(path), "frame": frame})
    except _WorkerLostError as error:
        worker.end()
        raise KneeBundleError(f"{error}; export it again, uncompressed if possible", path) from None
    except BaseException:
        worker.end()
        raise
    _idle.append(worker)
    if "error" in answer:
        raise DecodingError(answer["error"])
    return answer["array"], answer["more"]


class DecodingError(Exception):
    """What a decoder says of a file that it cannot decode."""


class _WorkerLostError(Exception):
    """A worker died or was ended."""


class _Worker:
    def __init__(self) -> None:
        # its own session: an interrupt from the terminal is for the caller, who ends the worker
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kneebundle.io.decode_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        self.owner = os.getpid()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(_SECONDS, stop)
        timer.daemon = True
        timer.start()
        try:
            return self._exchange(request)
        except (OSError, ValueError, EOFError):
            if late.is_set():
                raise _WorkerLostError(f"decoding took more than {_SECONDS:.0f} s and was ended") from None
            raise _WorkerLostError("the decoder crashed on this file") from None
        finally:
            timer.cancel()

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None and answers is not None
        requests.write(json.dumps(request).encode() + b"\n")
        requests.flush()
        line = answers.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        head: dict[str, Any] = json.loads(line)
        if "error" not in head:
            count = math.prod(head["shape"]) * np.dtype(head["dtype"]).itemsize
            content = answers.read(count)
            if len(content) < count:
                raise EOFError
            head["array"] = np.frombuffer(content, dtype=head["dtype"]).reshape(head["shape"])
        return head

    def end(self) -> None:
        if self.owner != os.getpid():
            return
        self.process.kill()
        with contextlib.suppress(Exception):
            self.process.communicate(timeout=5)


_idle: list[_Worker] = []


def _take() -> _Worker:
    with contextlib.suppress(IndexError):
        while True:
            worker = _idle.pop()
            if worker.owner == os.getpid() and worker.process.poll() is None:
                return worker
    return _Worker()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()
