"""What people made of a prediction: the file ``corrections/<stem>.json``, schema ``kneebundle/corrections/1``.

Points are in pixels of the image as stored, as in the prediction, which is never changed. Each knee has a status:

- ``open``: begun, not decided; neither truth nor training data;
- ``accepted``: the predicted points are right;
- ``corrected``: points were moved, placed or marked as not visible, and are right now;
- ``rejected``: the knee is not to be used, with a reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA, LATERAL_POINTS
from kneebundle.reports.points import round_value

__all__ = [
    "CORRECTIONS_FOLDER",
    "CORRECTIONS_SCHEMA",
    "CorrectedPoints",
    "Correction",
    "CorrectionStatus",
    "RevisionConflict",
    "read_correction",
    "read_corrections",
    "write_correction",
]

CORRECTIONS_SCHEMA = "kneebundle/corrections/1"
CORRECTIONS_FOLDER = "corrections"
"""Name of the folder in the output folder of a prediction."""

CorrectionStatus = Literal["open", "accepted", "corrected", "rejected"]
_STATUSES: tuple[str, ...] = get_args(CorrectionStatus)
_LOCK_TIMEOUT_S = 10.0


class RevisionConflict(KneeBundleError):
    """Somebody else saved the film in between.

    Attributes:
        current: what was saved.
    """

    def __init__(self, current: Correction, path: Path) -> None:
        who = f"{current.rater} saved" if current.rater else "somebody saved"
        super().__init__(f"{who} this radiograph at {current.saved_at}, after it was opened here; look at both", path)
        self.current = current


@dataclass(frozen=True)
class CorrectedPoints:
    """The points of one knee from the front, or of a lateral radiograph, as a person left them.

    Attributes:
        side: ``"R"``, ``"L"`` or, of a lateral radiograph whose side is unknown, None.
        status: open, accepted, corrected or rejected.
        points: (N, 2) x, y in pixels of the image as stored, NaN where a point is not visible; None: there are none.
            N is 16 (KNEE_PA), or 4 (LATERAL_POINTS).
        moved: (N,) bool, points that differ from the prediction.
        reason: why it was rejected.
        added: the prediction had not found this knee.

    Example:
        >>> import numpy as np
        >>> knee = CorrectedPoints("R", "rejected", np.zeros((16, 2)), reason="cut off")
        >>> knee.is_decided
        False
    """

    side: str | None
    status: CorrectionStatus
    points: np.ndarray | None
    moved: np.ndarray | None = None
    reason: str = ""
    added: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether the points are those that a person holds to be right."""
        return self.status in ("accepted", "corrected")


@dataclass(frozen=True)
class Correction:
    """One file of corrections.

    Attributes:
        name: stem of the file, that of the record of the prediction.
        image: what the prediction says of the image: path, sop_instance_uid, rows, columns, spacing_mm, view.
        prediction: ``file`` and ``sha256`` of the record that was looked at.
        knees: of a radiograph from the front; empty on lateral ones.
        lateral: of a lateral radiograph, else None.
        empty_status: of a radiograph from the front without any knee.
        rater: who saved it.
        saved_at: when, ISO 8601 in UTC.
        software: name and version of the program.
        revision: how many times it was saved; the first is 1.
    """

    name: str
    image: Mapping[str, Any]
    prediction: Mapping[str, str]
    knees: tuple[CorrectedPoints, ...]
    lateral: CorrectedPoints | None
    empty_status: CorrectionStatus = "open"
    rater: str = ""
    saved_at: str = ""
    software: str = ""
    revision: int = 0

    @property
    def items(self) -> tuple[CorrectedPoints, ...]:
        """The knees, or the one set of points of a lateral radiograph."""
        return self.knees if self.lateral is None else (self.lateral,)

    @property
    def status(self) -> CorrectionStatus:
        """Of the whole radiograph: open while a knee is; rejected where all are; corrected where one is."""
        return _summarize_status([item.status for item in self.items]) or self.empty_status

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """(row, column) of the image as stored."""
        row_mm, column_mm = self.image["spacing_mm"]
        return float(row_mm), float(column_mm)


def _summarize_status(statuses: Sequence[CorrectionStatus]) -> CorrectionStatus | None:
    if not statuses:
        return None
    if "open" in statuses:
        return "open"
    if all(status == "rejected" for status in statuses):
        return "rejected"
    return "corrected" if "corrected" in statuses else "accepted"


def write_correction(correction: Correction, folder: Path, based_on: int) -> Correction:
    """Write a correction, atomically, unless the file is not the one that it rests on.

    Args:
        correction: its revision is set here.
        folder: for ``<name>.json``; it is made if it is not there.
        based_on: revision of the file that was looked at; 0: there was none.

    Returns:
        The correction with its revision.

    Raises:
        RevisionConflict: if the file has another revision by now; nothing is written.
        KneeBundleError: if the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    path = folder / f"{correction.name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # a second server on the same folder may be saving, too
        with FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S):
            current = read_correction(path)
            if (current.revision if current else 0) != based_on:
                raise RevisionConflict(current or replace(correction, saved_at="an unknown time", rater=""), path)
            saved = replace(correction, revision=based_on + 1)
            with write_atomically(path) as temporary:
                text = json.dumps(_to_document(saved), indent=1, allow_nan=False, ensure_ascii=False)
                temporary.write_text(text + "\n", encoding="utf-8")
    except Timeout as error:
        raise KneeBundleError("another program holds the folder's lock; try again", folder, "output") from error
    except OSError as error:
        raise KneeBundleError(f"it cannot be written ({error.strerror or error})", path, "output") from error
    return saved


def read_corrections(folder: Path) -> list[Correction]:
    """Read all corrections of a folder, by name.

    Args:
        folder: ``corrections`` of an output folder, or that output folder.

    Raises:
        KneeBundleError: if there are none, or a file is not one.
    """
    inside = folder / CORRECTIONS_FOLDER
    place = inside if inside.is_dir() else folder
    found = [read_correction(path) for path in sorted(place.glob("[!.]*.json"))]
    if not found:
        raise KneeBundleError(
            "there are no corrections in this folder; accept or correct predictions first, or give a table", folder
        )
    return [correction for correction in found if correction is not None]


def read_correction(path: Path) -> Correction | None:
    """Read a file of corrections; None where there is none.

    Raises:
        KneeBundleError: if it is another kind of file, or broken.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise KneeBundleError(f"it cannot be read as JSON ({in_brief(error)})", path) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != CORRECTIONS_SCHEMA:
        raise KneeBundleError(f"its schema is {schema!r}; a file of corrections has {CORRECTIONS_SCHEMA!r}", path)
    try:
        return _parse(document, path.stem)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise KneeBundleError(
            f"it is broken ({type(error).__name__}: {error}); put a good copy back, or remove it", path
        ) from error


def _to_document(correction: Correction) -> dict[str, Any]:
    if correction.lateral is None:
        content: dict[str, Any] = {"knees": [_convert(knee, KNEE_PA.names) for knee in correction.knees]}
    else:
        content = {"planning": _convert(correction.lateral, LATERAL_POINTS)}
    return {
        "schema": CORRECTIONS_SCHEMA,
        "revision": correction.revision,
        "rater": correction.rater,
        "saved_at": correction.saved_at,
        "software": correction.software,
        "prediction": dict(correction.prediction),
        "image": dict(correction.image),
        "status": correction.status,
        **content,
    }


def _convert(item: CorrectedPoints, names: Sequence[str]) -> dict[str, Any]:
    points = [] if item.points is None else list(item.points)
    moved = np.zeros(len(points), dtype=bool) if item.moved is None else item.moved
    landmarks = [
        {
            "id": index,
            "name": names[index],
            "x_px": round_value(point[0]) if np.isfinite(point).all() else None,
            "y_px": round_value(point[1]) if np.isfinite(point).all() else None,
            "visible": bool(np.isfinite(point).all()),
            "moved": bool(moved[index]),
        }
        for index, point in enumerate(points)
    ]
    return {
        "side": item.side,
        "status": item.status,
        "reason": item.reason,
        "added": item.added,
        "landmarks": landmarks,
    }


def _parse(document: Mapping[str, Any], name: str) -> Correction:
    lateral = document.get("planning")
    knees = tuple(_parse_points(knee, KNEE_PA.names) for knee in document.get("knees", ()))
    correction = Correction(
        name=name,
        image=dict(document["image"]),
        prediction=dict(document["prediction"]),
        knees=knees,
        lateral=None if lateral is None else _parse_points(lateral, LATERAL_POINTS),
        empty_status=_check_status(document["status"]),
        rater=str(document["rater"]),
        saved_at=str(document["saved_at"]),
        software=str(document.get("software", "")),
        revision=int(document["revision"]),
    )
    if not all(math.isfinite(value) and value > 0 for value in correction.spacing_mm):
        raise ValueError(f"spacing_mm is {correction.spacing_mm}")
    Path(correction.image["path"])
    return correction


def _parse_points(item: Mapping[str, Any], names: Sequence[str]) -> CorrectedPoints:
    points = moved = None
    if item["landmarks"]:
        points, moved = np.full((len(names), 2), np.nan), np.zeros(len(names), dtype=bool)
        for landmark in item["landmarks"]:
            index = names.index(landmark["name"])
            moved[index] = bool(landmark.get("moved"))
            with suppress(TypeError):  # None: not visible
                points[index] = float(landmark["x_px"]), float(landmark["y_px"])
    return CorrectedPoints(
        side=item["side"],
        status=_check_status(item["status"]),
        points=points,
        moved=moved,
        reason=str(item.get("reason", "")),
        added=bool(item.get("added", False)),
    )


def _check_status(status: Any) -> CorrectionStatus:
    if status not in _STATUSES:
        raise ValueError(f"the status is {status!r}; one of {', '.join(_STATUSES)} is needed")
    return status
