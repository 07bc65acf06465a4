"""Radiographs of a DICOMweb server, fetched when they are asked for; labels are kept in a folder here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kneebundle.dicom_node.peer_errors import NotNowError, PacsAwayError
from kneebundle.dicom_node.web_client import FoundSeries, WebClient
from kneebundle.dicom_node.web_settings import DicomwebServer
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.label_app.datastore import RadiographDatastore
from kneebundle.label_app.http_errors import raise_http_errors

__all__ = ["WebDatastore"]

_KNOWN_S = 30.0


class WebDatastore(RadiographDatastore):
    """A folder of radiographs that a DICOMweb server fills.

    An image is called by its SeriesInstanceUID, as OHIF asks for it, and is a series of one radiograph. The server is
    only read: points, scores and what is known of an image stay in the folder, with the files that were fetched.

    Args:
        server: to ask.
        modalities: of the series to list.
        folder: made if it is not there; one folder below it is for this server.
    """

    def __init__(self, server: DicomwebServer, modalities: Sequence[str], folder: Path) -> None:
        self._client = WebClient(server)
        self._modalities = tuple(modalities)
        self._listed: dict[str, FoundSeries] = {}
        self._listed_at = float("-inf")
        self._films = folder / hashlib.sha256(server.url.encode()).hexdigest()[:12]
        self._films.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(str(self._films))

    def list_images(self) -> list[str]:
        """List the series that the server has, and those that were fetched."""
        return list(dict.fromkeys([*super().list_images(), *self._list_series()]))

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """List the images that have no label with the tag ``final``."""
        labelled = set(self.get_labeled_images())
        return [image for image in self.list_images() if image not in labelled]

    @raise_http_errors
    def get_image_uri(self, image_id: str) -> str:
        """Get the file of an image; it is fetched where it is not there yet."""
        self._fetch(image_id)
        return str(super().get_image_uri(image_id))

    @raise_http_errors
    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Add a label, in the folder."""
        self._fetch(image_id)
        return str(super().save_label(image_id, label_filename, label_tag, label_info))

    @raise_http_errors
    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Change what is known of an image, in the folder."""
        self._fetch(image_id)
        super().update_image_info(image_id, info)

    def _fetch(self, image_id: str) -> None:
        """Fetch the radiograph of a series that the server has and the folder has not."""
        if image_id in super().list_images():
            return
        series = self._list_series().get(image_id)
        if series is None:
            return  # whoever asked says that there is no such image
        try:
            found = self._client.search_series_instances(series)
            if len(found) != 1:
                raise KneeBundleError(f"the series has {len(found)} images; one radiograph is needed")
            content = self._client.fetch(found[0])
        except (NotNowError, PacsAwayError) as error:
            raise KneeBundleError(f"the DICOMweb server {error}; try again later") from error
        with write_atomically(self._films / f"{image_id}.dcm") as temporary:
            temporary.write_bytes(content)
        self.refresh()

    def _list_series(self) -> dict[str, FoundSeries]:
        if time.monotonic() > self._listed_at + _KNOWN_S:
            try:
                found = [series for name in self._modalities for series in self._client.search_series(name)]
            except PacsAwayError:
                return self._listed  # what was there is served from the folder
            self._listed, self._listed_at = {series.uid: series for series in found}, time.monotonic()
        return self._listed
