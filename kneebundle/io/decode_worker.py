"""The process that decodes what a library in C might crash on: ``python -m kneebundle.io.decode_worker``.

It reads requests from stdin, one line of JSON each (``kind``, ``path``, ``frame``), and writes for each a line of JSON
(``dtype``, ``shape`` and ``more``, or ``error``), then the bytes of the array.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

__all__ = ["main"]

_MEMORY = 6 * 2**30
_HEADER_MEMORY = 2**29


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _limit_memory()
    logging.disable()
    warnings.simplefilter("ignore")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            array, more = _decode(request["kind"], Path(request["path"]), request["frame"])
        except BaseException as error:  # the decoders raise many kinds, one of them no Exception
            _answer(answers, {"error": f"{error}" or type(error).__name__})
        else:
            array = np.ascontiguousarray(array)
            _answer(answers, {"dtype": array.dtype.str, "shape": array.shape, "more": more}, array)


def _decode(kind: str, path: Path, frame: int) -> tuple[np.ndarray, dict[str, Any]]:
    if kind == "dicom":
        from kneebundle.io.dicom_pixels import decode_dicom_frame

        return decode_dicom_frame(path, frame), {}
    if kind == "placement":
        from kneebundle.io.placement import load_reader, read_axes

        load_reader()  # before the limit
        with _spare_memory(_HEADER_MEMORY):  # GDCM believes the length that a header states
            return read_axes(path), {}
    from kneebundle.io.metaimage import decode_metaimage

    return decode_metaimage(path)


def _answer(stream: BinaryIO, head: dict[str, Any], array: np.ndarray | None = None) -> None:
    stream.write(json.dumps(head).encode() + b"\n")
    if array is not None:
        stream.write(array.data)
    stream.flush()


@contextmanager
def _spare_memory(more: int) -> Iterator[None]:
    """Let the process take so many bytes more than it has, and no more, while the block runs."""
    try:
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not on this system
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = taken + more if before == resource.RLIM_INFINITY else min(before, taken + more)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    main()
