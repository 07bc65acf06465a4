"""Which images of a folder can be used, with a list of the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table

__all__ = ["usable_records"]


def usable_records(
    records: Iterable[dict[str, Any]], folder: str | Path, output_dir: str | None = None, **known: Any
) -> list[dict[str, Any]]:
    """The records whose image can be read; another is logged, stands in ``errors.csv`` and costs nothing else.

    Args:
        records: each with ``image`` and, where known, ``side`` and ``spacing_mm``.
        folder: where the images are, for the refusal.
        output_dir: folder of ``errors.csv`` (``path,reason``), which is written only if there is something to list.
        known: arguments of :func:`kneebundle.io.reading.read_radiograph` in place of the records' own.

    Raises:
        KneeBundleError: if no image can be used.
    """
    usable, refused = [], []
    for record in records:
        about: dict[str, Any] = {name: record[name] for name in ("side", "spacing_mm") if name in record}
        try:
            read_radiograph(Path(record["image"]), **(about | known))
        except KneeBundleError as error:
            logging.getLogger(__name__).warning("%s", error)
            refused.append([record["image"], error.reason])
        else:
            usable.append(record)
    if output_dir is not None and refused:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        write_table(Path(output_dir) / "errors.csv", ["path", "reason"], refused)
    if not usable:
        raise KneeBundleError(
            "there is no usable image in the folder; put PNG, JPEG, DICOM, NIfTI or MHA files there", folder
        )
    return usable
