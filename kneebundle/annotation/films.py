"""The radiographs of an output folder of ``kneebundle predict``: their records, their images, pictures to look at."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph
from kneebundle.reports.json_report import SCHEMA

__all__ = ["PredictedFilm", "PredictedFilms", "grey_window", "render_png"]

_HIDDEN_RECORDS = ".records"
_KEPT_IMAGES = 4
_LARGEST_PICTURE_PX = 16_000_000
_WINDOW_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class PredictedFilm:
    """A record of a prediction.

    Attributes:
        name: stem of the record.
        record: the file.
        sha256: of the file.
        document: what it holds (schema ``kneebundle/landmarks/1``).
    """

    name: str
    record: Path
    sha256: str
    document: Mapping[str, Any]

    @property
    def is_lateral(self) -> bool:
        """Whether it is a lateral radiograph."""
        return "planning" in self.document


class PredictedFilms:
    """The predictions of an output folder; those that a run adds in the meantime, too. Safe to use from threads.

    Args:
        folder: output folder of a prediction.
        images: folder to look for the images in that are no longer where they were.

    Raises:
        KneeBundleError: if there is no record in the folder.
    """

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        self.folder = folder
        self.images = images
        self._known: dict[Path, tuple[tuple[int, int], PredictedFilm | None]] = {}
        self._listed: dict[str, Path] = {}
        self._opened: OrderedDict[str, Radiograph] = OrderedDict()
        self._lock = threading.Lock()
        if images is not None and not images.is_dir():
            raise KneeBundleError("there is no such folder of images", images)
        if not folder.is_dir():
            raise KneeBundleError("there is no such folder; that of a prediction is needed", folder, "predictions")
        if not self.scan():
            raise KneeBundleError(
                "there are no predictions in this folder; the output folder of a prediction is needed",
                folder,
                "predictions",
            )

    def scan(self) -> dict[str, PredictedFilm]:
        """Find the records, by name."""
        films: dict[str, PredictedFilm] = {}
        with self._lock:
            for place in (self.folder / _HIDDEN_RECORDS, self.folder):
                for path in sorted(place.glob("[!.]*.json")):
                    film = self._read(path)
                    if film is not None:
                        films[film.name] = film
            self._listed = {name: film.record for name, film in films.items()}
        return dict(sorted(films.items()))

    def find(self, name: str) -> PredictedFilm | None:
        """Find a record by its name; None where there is none."""
        path = self._listed.get(name)
        if path is not None:  # many requests are about one of many thousands
            with self._lock:
                film = self._read(path)
            if film is not None:
                return film
        return self.scan().get(name)

    def open(self, film: PredictedFilm) -> Radiograph:
        """Read the image of a record; the last few are kept.

        Raises:
            KneeBundleError: if it is not there, cannot be read, or is another image than that of the prediction.
        """
        with self._lock:
            if film.sha256 in self._opened:
                self._opened.move_to_end(film.sha256)
                return self._opened[film.sha256]
        radiograph = self._read_image(film)
        with self._lock:
            self._opened[film.sha256] = radiograph
            while len(self._opened) > _KEPT_IMAGES:
                self._opened.popitem(last=False)
        return radiograph

    def _read(self, path: Path) -> PredictedFilm | None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if path not in self._known or self._known[path][0] != stamp:
                self._known[path] = (stamp, _parse_record(path, path.read_bytes()))
        except OSError:
            self._known.pop(path, None)
            return None
        return self._known[path][1]

    def _read_image(self, film: PredictedFilm) -> Radiograph:
        stated = film.document["image"]
        path = next((file for file in self._list_places(Path(stated["path"])) if file.is_file()), None)
        if path is None:
            raise KneeBundleError(
                "the image is no longer there; put it back, or name the folder that it was moved to",
                stated["path"],
                "images",
            )
        row_mm, column_mm = stated["spacing_mm"]
        radiograph = read_radiograph(path, spacing_mm=(row_mm, column_mm), view=stated["view"], uncalibrated=True)
        found = radiograph.orientation.pair((radiograph.rows, radiograph.columns))
        if found != (stated["rows"], stated["columns"]):
            raise KneeBundleError(
                f"the image has {found[0]} x {found[1]} pixels (rows x columns), the prediction is of one with "
                f"{stated['rows']} x {stated['columns']}; it is another image, predict again",
                path,
            )
        if stated["sop_instance_uid"] not in (None, radiograph.sop_instance_uid):
            raise KneeBundleError("it is another DICOM image than the prediction is of; predict again", path)
        return radiograph

    def _list_places(self, path: Path) -> Iterator[Path]:
        """Where the image may be: below the folder of moved images, as the prediction says, beside the records."""
        if self.images is not None:
            parts = path.parts[1:] if path.is_absolute() else path.parts
            for start in range(len(parts)):
                if ".." not in parts[start:]:
                    yield self.images.joinpath(*parts[start:])
        yield path
        yield self.folder / path


def _parse_record(path: Path, content: bytes) -> PredictedFilm | None:
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA or not ({"knees", "planning"} & document.keys()):
            return None
        image = document["image"]
        if not ({"path", "rows", "columns", "spacing_mm", "sop_instance_uid", "view"} <= image.keys()):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return PredictedFilm(path.stem, path, hashlib.sha256(content).hexdigest(), document)


def grey_window(radiograph: Radiograph) -> tuple[float, float]:
    """Find the grey values that are shown as black and as white at first."""
    pixels = radiograph.pixels
    step = max(1, min(pixels.shape) // 512)
    low, high = np.percentile(pixels[::step, ::step], _WINDOW_PERCENTILES)
    return (float(low), float(high)) if high > low else (float(pixels.min()), float(pixels.max()))


def render_png(radiograph: Radiograph, low: float, high: float) -> bytes:
    """Make an 8-bit PNG of the radiograph as displayed, ``low`` black and ``high`` white.

    An image of very many pixels is made smaller; the picture covers the same field.
    """
    scaled = (radiograph.pixels - np.float32(low)) * np.float32(255.0 / (high - low))
    picture = Image.fromarray(np.clip(scaled, 0, 255).round().astype(np.uint8))
    shrink = np.sqrt(picture.width * picture.height / _LARGEST_PICTURE_PX)
    if shrink > 1:
        size = (max(1, int(picture.width / shrink)), max(1, int(picture.height / shrink)))
        picture = picture.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1, compress_type=3)  # run lengths: as small, and quicker
    return buffer.getvalue()
