"""Which images of a folder can be read, with a list of the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table

__all__ = ["list_readable"]

BUNDLE_ADVICE = {"spacing_mm": "set image_spacing_mm to it", "side": "set side to R or L"}
"""What a user of a bundle that runs alone does about an error, by its field: keys at the top of inference.json."""


def list_readable(
    records: Iterable[dict[str, Any]], folder: str | Path, output_dir: str | None = None, **known: Any
) -> list[dict[str, Any]]:
    """List the records whose image can be read; the others are logged, listed in ``errors.csv`` and skipped.

    Args:
        records: each with ``image`` and, where they are known, ``side`` and ``spacing_mm``.
        folder: where the images are, for the error message.
        output_dir: folder of ``errors.csv`` (``path,reason``), which is written only if an image is skipped.
        known: arguments of :func:`kneebundle.io.read_radiograph` in place of the records' own.

    Raises:
        KneeBundleError: if no image can be read.
    """
    readable, errors = [], []
    for record in records:
        about: dict[str, Any] = {name: record[name] for name in ("side", "spacing_mm") if name in record}
        try:
            read_radiograph(Path(record["image"]), **(about | known))
        except KneeBundleError as error:
            reason = error.advised(BUNDLE_ADVICE)
            logging.getLogger(__name__).warning("%s: %s", record["image"], reason)
            errors.append([record["image"], reason])
        else:
            readable.append(record)
    if output_dir is not None and errors:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        write_table(Path(output_dir) / "errors.csv", ["path", "reason"], errors)
    if not readable:
        raise KneeBundleError(
            "no image in the folder can be read; put PNG, JPEG, DICOM, NIfTI or MHA files there", folder
        )
    return readable
