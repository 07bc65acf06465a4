"""Films of a datastore: what is known of an image beside its file, and reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import find_images, read_radiograph
from kneebundle.radiograph import Radiograph, Side, View

__all__ = ["FilmFacts", "film_file", "in_server_words"]

_OPTIONS = {
    "--spacing MM or in a manifest column spacing_mm": "spacing_mm in the request or in the image's info",
    "--spacing MM": "spacing_mm",
    "--spacing": "spacing_mm",
    "--side": "side",
    "--device cpu": "device cpu",
    "--view pa-single": "view pa-single",
}


@dataclass(frozen=True)
class FilmFacts:
    """What a person says of an image that its file may not say; None: nothing.

    Attributes:
        spacing_mm: size of a pixel.
        side: of a film of one knee.
        view: what the film shows.
        subject_id: whose knee it is, so that training does not judge itself on a person it has seen.
    """

    spacing_mm: float | None = None
    side: Side | None = None
    view: View | None = None
    subject_id: str | None = None

    @classmethod
    def of(cls, *sources: Mapping[str, Any]) -> FilmFacts:
        """Take each fact from the first mapping that has it; ``view`` may be ``"auto"``, which says nothing.

        Raises:
            KneeBundleError: if a fact has a value that it cannot have.
        """
        values = {name: _first(name, sources) for name in ("spacing_mm", "side", "view", "subject_id")}
        subject = values["subject_id"]
        return cls(
            None if values["spacing_mm"] is None else _positive(values["spacing_mm"]),
            _one_of("side", values["side"], ("R", "L")),
            _one_of("view", values["view"], ("pa-bilateral", "pa-single", "lateral")),
            None if subject is None else str(subject),
        )

    def read(self, path: Path, *, uncalibrated: bool = False) -> Radiograph:
        """The film.

        Args:
            path: a file, or a folder with one image.
            uncalibrated: as in :func:`kneebundle.io.reading.read_radiograph`.

        Raises:
            KneeBundleError: if it cannot be used; a missing spacing is to be given as ``spacing_mm``.
        """
        file = film_file(path)
        return read_radiograph(
            file, spacing_mm=self.spacing_mm, side=self.side, view=self.view, uncalibrated=uncalibrated
        )

    def or_else(self, spacing_mm: float | None) -> FilmFacts:
        """The same facts, with this spacing where none is known."""
        return self if self.spacing_mm is not None else replace(self, spacing_mm=spacing_mm)


def in_server_words(reason: str) -> str:
    """A refusal or a remark with the options of the command line called what they are called in a request."""
    for option, name in _OPTIONS.items():
        reason = reason.replace(option, name)
    return reason


def film_file(path: Path) -> Path:
    """The image file: ``path``, or the only image in it if it is a folder, as DICOMweb caches have it.

    Raises:
        KneeBundleError: if a folder has not exactly one image.
    """
    if not path.is_dir():
        return path
    files = find_images(path)
    if len(files) != 1:
        raise KneeBundleError(f"the folder has {len(files)} images; give one film", path.name)
    return files[0]


def _first(name: str, sources: tuple[Mapping[str, Any], ...]) -> Any:
    values = (source.get(name) for source in sources)
    return next((value for value in values if value not in (None, "", "auto")), None)


def _positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise KneeBundleError(f"spacing_mm is {value!r}; the size of a pixel in mm is needed, often 0.1 to 0.3")
    return number


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value is not None and value not in allowed:
        raise KneeBundleError(f"{name} is {value!r}; one of {', '.join(allowed)} is needed")
    return value
