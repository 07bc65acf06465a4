"""What is known of an image of the datastore beside its file, and reading the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.finding import find_images
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph, Side, View

__all__ = ["ADVICE", "ImageFacts", "find_image_file"]

ADVICE = {
    "spacing_mm": "give spacing_mm in the request or in the image's info",
    "side": "give side in the request or in the image's info",
    "view": "give view in the request or in the image's info",
    "device": "give device cpu in the request",
}
"""What a client of the server does about an error, by its field."""


@dataclass(frozen=True)
class ImageFacts:
    """What a person says of an image that its file may not say; None: nothing.

    Attributes:
        spacing_mm: size of a pixel.
        side: of a radiograph of one knee.
        view: what the radiograph shows.
        subject_id: whose knee it is, so that training does not validate on a person it has seen.

    Example:
        >>> ImageFacts.from_mappings({"side": "L"}, {"side": "R", "spacing_mm": "0.2"})
        ImageFacts(spacing_mm=0.2, side='L', view=None, subject_id=None)
    """

    spacing_mm: float | None = None
    side: Side | None = None
    view: View | None = None
    subject_id: str | None = None

    @classmethod
    def from_mappings(cls, *sources: Mapping[str, Any]) -> ImageFacts:
        """Take each fact from the first mapping that has it; ``view`` may be ``"auto"``, which says nothing.

        Raises:
            KneeBundleError: if a fact has a value that it cannot have.
        """
        values = {name: _find_first(name, sources) for name in ("spacing_mm", "side", "view", "subject_id")}
        subject = values["subject_id"]
        return cls(
            None if values["spacing_mm"] is None else _check_positive(values["spacing_mm"]),
            _check_choice("side", values["side"], ("R", "L")),
            _check_choice("view", values["view"], ("pa-bilateral", "pa-single", "lateral")),
            None if subject is None else str(subject),
        )

    def read(self, path: Path, *, uncalibrated: bool = False) -> Radiograph:
        """Read the image.

        Args:
            path: a file, or a folder with one image.
            uncalibrated: as in :func:`kneebundle.io.reading.read_radiograph`.

        Raises:
            KneeBundleError: if it cannot be used.
        """
        file = find_image_file(path)
        return read_radiograph(
            file, spacing_mm=self.spacing_mm, side=self.side, view=self.view, uncalibrated=uncalibrated
        )

    def or_else(self, spacing_mm: float | None) -> ImageFacts:
        """The same facts, with this spacing where none is known."""
        return self if self.spacing_mm is not None else replace(self, spacing_mm=spacing_mm)


def find_image_file(path: Path) -> Path:
    """Find the image file: ``path``, or the only image in it if it is a folder, as DICOMweb caches have it.

    Raises:
        KneeBundleError: if a folder has not exactly one image.
    """
    if not path.is_dir():
        return path
    files = find_images(path)
    if len(files) != 1:
        raise KneeBundleError(f"the folder has {len(files)} images; one radiograph is needed", path.name)
    return files[0]


def _find_first(name: str, sources: tuple[Mapping[str, Any], ...]) -> Any:
    values = (source.get(name) for source in sources)
    return next((value for value in values if value not in (None, "", "auto")), None)


def _check_positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise KneeBundleError(f"spacing_mm is {value!r}; the size of a pixel in mm is needed, often 0.1 to 0.3")
    return number


def _check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value is not None and value not in allowed:
        raise KneeBundleError(f"{name} is {value!r}; one of {', '.join(allowed)} is needed")
    return value
