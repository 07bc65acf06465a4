"""The files that the runs of a study share: its settings, and the errors of each run on the knees kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import number_rows, parse_number, read_table, write_table
from kneebundle.io.writing import write_atomically

__all__ = ["claim_study_folder", "read_errors", "write_errors"]


def claim_study_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a study down, or compare them: runs of different settings must not stand in one table.

    Args:
        folder: of the study; made if it is not there, and given ``study.json``.
        settings: that all its runs share, as JSON has them.

    Raises:
        KneeBundleError: if the folder holds a study of other settings.
    """
    file = folder / "study.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(file) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    elif json.loads(file.read_text(encoding="utf-8")) != settings:
        raise KneeBundleError(
            "the folder holds a study of other settings; repeat them, or give another folder", file, "output"
        )


def write_errors(path: Path, records: Sequence[Mapping[str, Any]], errors: np.ndarray) -> None:
    """Write the errors of knees as a table with ``image`` and ``error0_mm`` to the last landmark's.

    Args:
        path: of the table.
        records: K of them, as :func:`kneebundle.training.knee_records` gives them.
        errors: (K, N) mm.
    """
    names = [Path(r["image"]).name if "image" in r else f"phantom-{r['index']}" for r in records]
    columns = ["image", *(f"error{i}_mm" for i in range(errors.shape[1]))]
    write_table(path, columns, [[name, *(f"{e:.4f}" for e in row)] for name, row in zip(names, errors, strict=True)])


def read_errors(path: Path) -> np.ndarray:
    """Read what :func:`write_errors` wrote: (K, N) mm."""
    rows = read_table(path, ["image", "error0_mm"])
    columns = [name for name in rows[0] if name != "image"]
    return np.array([[parse_number(row, c, line, path) for c in columns] for line, row in number_rows(rows)])
