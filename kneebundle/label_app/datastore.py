"""The folder of radiographs that MONAI Label serves, with their file formats and a check of what comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag

from kneebundle.errors import KneeBundleError
from kneebundle.io.placement import read_placement
from kneebundle.label_app.http_errors import NotFoundError, raise_http_errors
from kneebundle.label_app.image_facts import find_image_file
from kneebundle.label_app.labels import parse_label, read_label
from kneebundle.label_app.sent_files import check_label_file, check_name

__all__ = ["EXTENSIONS", "RadiographDatastore", "get_info"]

EXTENSIONS = ("*.dcm", "*.dicom", "*.png", "*.jpg", "*.jpeg", "*.nii.gz", "*.nii", "*.mha")
"""MONAI Label's own list lacks DICOM."""


class RadiographDatastore(LocalDatastore):
    """A folder of radiographs and, in ``labels/``, of their labels.

    Points with the tag ``final`` that could not be trained on are an error when they come, not when training begins.

    Args:
        folder: of the radiographs.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(
            folder,
            extensions=EXTENSIONS,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    @raise_http_errors
    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Add an image; ``image_info`` may say its spacing_mm, side, view and subject_id."""
        check_name(image_id or "")
        if not image_filename.endswith(tuple(pattern[1:] for pattern in EXTENSIONS)):
            endings = ", ".join(pattern[1:] for pattern in EXTENSIONS)
            raise KneeBundleError(
                f"the name of the file has none of the endings {endings}; give it the one it should have"
            )
        self.refresh()  # another process may have written scores
        return str(super().add_image(image_id, image_filename, _as_object(image_info)))

    @raise_http_errors
    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Add a label."""
        tag = str(getattr(label_tag, "value", label_tag))
        check_name(tag)
        self._check_image(image_id, "to label")
        if check_label_file(Path(label_filename)):
            self._check_points(image_id, Path(label_filename), tag == DefaultLabelTag.FINAL.value)
        self.refresh()
        return str(super().save_label(image_id, label_filename, tag, _as_object(label_info)))

    @raise_http_errors
    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels."""
        self._check_image(image_id, "to remove")
        super().remove_image(image_id)

    @raise_http_errors
    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove a label."""
        self._check_label(label_id, label_tag)
        super().remove_label(label_id, label_tag)

    @raise_http_errors
    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Change what is known of an image."""
        self._check_image(image_id, "to know something of")
        super().update_image_info(image_id, _as_object(info))

    @raise_http_errors
    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Change what is known of a label."""
        self._check_label(label_id, label_tag)
        super().update_label_info(label_id, label_tag, _as_object(info))

    @raise_http_errors
    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Pack the images that have a label."""
        if not self.datalist():
            raise NotFoundError("there are no labels with the tag final to pack")
        return str(super().get_dataset_archive(limit_cases))

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """Get what is known of an image, without its path on the server."""
        return {name: value for name, value in super().get_image_info(image_id).items() if name != "path"}

    def _check_image(self, image_id: str, what_for: str) -> None:
        if image_id not in self.list_images():
            raise NotFoundError(f"there is no image {image_id[:100]!r} {what_for}; send it first")

    def _check_label(self, label_id: str, label_tag: str) -> None:
        tag = str(getattr(label_tag, "value", label_tag))
        if not self.get_label_uri(label_id, tag):
            raise NotFoundError(f"there is no label {label_id[:100]!r} with the tag {tag[:100]!r}")

    def _check_points(self, image_id: str, label: Path, final: bool) -> None:
        """Check that there are 16 points a knee; the plan of a lateral film is kept, nothing is trained on it."""
        try:
            content = read_label(label)
            if final and "planning" not in content:
                image = find_image_file(Path(self.get_image_uri(image_id)))
                parse_label(content, read_placement(image), label)
        except KneeBundleError as error:
            raise KneeBundleError(error.reason, field=error.field) from error


def get_info(datastore: Datastore, image_id: str) -> dict[str, Any]:
    """Get what the datastore knows of an image; empty for one that it does not have."""
    return dict(datastore.get_image_info(image_id) or {})


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KneeBundleError(f"params and info are {type(value).__name__}s here; JSON objects are needed")
    return value
