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
        _check_name(image_id)
        self.refresh()  # another process may have written scores
        return str(super().add_image(image_id, image_filename, image_info))

    @raise_http_errors
    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Add a label."""
        tag = str(getattr(label_tag, "value", label_tag))
        _check_name(tag)
        if image_id not in self.list_images():
            raise NotFoundError(f"there is no image {image_id!r} to label; send it first")
        if tag == DefaultLabelTag.FINAL.value and label_filename.endswith(".json"):
            self._check_points(image_id, Path(label_filename))
        self.refresh()
        return str(super().save_label(image_id, label_filename, tag, label_info))

    def _check_points(self, image_id: str, label: Path) -> None:
        """Check that there are 16 points a knee; the plan of a lateral film is kept, nothing is trained on it."""
        try:
            content = read_label(label)
            if "planning" not in content:
                image = find_image_file(Path(self.get_image_uri(image_id)))
                parse_label(content, read_placement(image), label)
        except KneeBundleError as error:
            raise KneeBundleError(error.reason, field=error.field) from error


def get_info(datastore: Datastore, image_id: str) -> dict[str, Any]:
    """Get what the datastore knows of an image; empty for one that it does not have."""
    return dict(datastore.get_image_info(image_id) or {})


def _check_name(name: str) -> None:
    """Check a name that becomes the name of a file or folder: it must not lead out of the datastore."""
    if name in (".", "..") or "/" in name or "\\" in name:
        raise KneeBundleError(f"{name!r} cannot be a name; use one without slashes")
