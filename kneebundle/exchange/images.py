"""Find the images that exchanged points belong to, and read what a format does not say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from kneebundle.errors import KneeBundleError
from kneebundle.exchange.documents import Document, ImageFacts, read_facts
from kneebundle.io.finding import find_images
from kneebundle.io.reading import read_radiograph

__all__ = ["Images", "OneImage"]


class Images:
    """The images that may be meant.

    Args:
        folders: where they are looked for, with all sub-folders, by name and by the folders that are stated.
        spacing_mm: size of a pixel of images that state none.
        bases: folders that a relative path may start from, besides the current one.
        name_files: gives each image the name that files about it begin with, by which it is looked for, too.

    Example:
        >>> Images().find("nowhere.png") is None
        True
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        spacing_mm: float | None = None,
        bases: Sequence[Path] = (),
        name_files: Callable[[Sequence[Path]], Sequence[str]] | None = None,
    ) -> None:
        self.folders = tuple(folders)
        self.spacing_mm = spacing_mm
        self.bases = (Path(), *bases)
        self._name_files = name_files
        self._facts: dict[Path, ImageFacts] = {}

    @cached_property
    def _files(self) -> list[Path]:
        return [file for folder in self.folders for file in find_images(folder)]

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        return {} if self._name_files is None else dict(zip(self._name_files(self._files), self._files, strict=True))

    @cached_property
    def _by_uid(self) -> dict[str, Path]:
        from pydicom import dcmread

        found: dict[str, Path] = {}
        for file in self._files:
            try:
                header = dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID", "Rows"], force=True)
            except Exception:  # whatever is no DICOM file is another image
                continue
            if "Rows" in header and "SOPInstanceUID" in header:
                found[str(header.SOPInstanceUID)] = file
        return found

    def find(self, path: str, sop_instance_uid: str | None = None) -> Path | None:
        """Find the file of an image; None where it is not there.

        Args:
            path: as a format states it: whole, relative, a name, or a name without suffix.
            sop_instance_uid: of a DICOM image, which goes before the path.

        Raises:
            KneeBundleError: if several files fit alike.
        """
        if sop_instance_uid is not None and self.folders and sop_instance_uid in self._by_uid:
            return self._by_uid[sop_instance_uid]
        if not path:
            return None
        direct = next((base / path for base in self.bases if (base / path).is_file()), None)
        if direct is not None:
            return direct
        parts = _split(path)
        for named in (lambda file: file.name == parts[-1], lambda file: _stem(file) == parts[-1]):
            fitting = [file for file in self._files if named(file)]
            if fitting:
                return _choose(fitting, parts, path)
        return self._by_name.get(path)

    def demand(self, document: Document, why: str) -> Path:
        """Find the image of a document.

        Raises:
            KneeBundleError: if it is not there; it says ``why`` it is needed.
        """
        facts = read_facts(document)
        found = self.find(facts.path, facts.sop_instance_uid)
        if found is None:
            raise KneeBundleError(f"the image is not there, and {why}", facts.path, "images")
        return found

    def complete(self, facts: ImageFacts) -> ImageFacts:
        """Add size, spacing and identity from the image, where it is there; what is known stays."""
        file = self.find(facts.path, facts.sop_instance_uid)
        if file is None:
            if facts.spacing_mm is None and self.spacing_mm is not None:
                spacing = (self.spacing_mm, self.spacing_mm)
                return replace(facts, spacing_mm=spacing, spacing_source="argument")
            return facts
        if None not in (facts.rows, facts.columns, facts.spacing_mm):
            return facts
        read = self._read(file)
        spaced = read if facts.spacing_mm is None else facts
        return replace(
            facts,
            rows=read.rows,
            columns=read.columns,
            spacing_mm=spaced.spacing_mm,
            spacing_source=spaced.spacing_source,
            view=facts.view or read.view,
            sop_instance_uid=facts.sop_instance_uid or read.sop_instance_uid,
        )

    def _read(self, file: Path) -> ImageFacts:
        if file not in self._facts:
            self._facts[file] = _read_image(file, self.spacing_mm)
        return self._facts[file]


class OneImage(Images):
    """The image is known, whatever a document calls it.

    Args:
        file: of the image.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def find(self, path: str, sop_instance_uid: str | None = None) -> Path | None:
        """That file."""
        return self.file


def _read_image(file: Path, spacing_mm: float | None) -> ImageFacts:
    """What a file says; its spacing is None where neither it nor the caller states one."""
    radiograph = read_radiograph(file, spacing_mm=1.0 if spacing_mm is None else spacing_mm)
    known = spacing_mm is not None or radiograph.spacing_source != "argument"
    rows, columns = radiograph.orientation.pair((radiograph.rows, radiograph.columns))
    row_mm, column_mm = radiograph.orientation.pair(radiograph.spacing_mm)
    return ImageFacts(
        path=str(file),
        rows=rows,
        columns=columns,
        spacing_mm=(float(row_mm), float(column_mm)) if known else None,
        spacing_source=radiograph.spacing_source if known else None,
        view=radiograph.view,
        sop_instance_uid=radiograph.sop_instance_uid,
        notes=radiograph.notes,
    )


def _split(path: str) -> tuple[str, ...]:
    """The parts of a path, of this system or of Windows."""
    pure = PureWindowsPath(path) if "\\" in path and "/" not in path else PurePosixPath(path)
    return pure.parts


def _stem(file: Path) -> str:
    return file.name[: -len(".nii.gz")] if file.name.lower().endswith(".nii.gz") else file.stem


def _choose(files: Sequence[Path], parts: tuple[str, ...], path: str) -> Path:
    """The file whose folders agree with the path the furthest."""

    def agreeing(file: Path) -> int:
        pairs = zip(reversed(file.parts[:-1]), reversed(parts[:-1]), strict=False)
        return next((count for count, (own, wanted) in enumerate(pairs) if own != wanted), len(parts) - 1)

    best = max(map(agreeing, files))
    found = [file for file in files if agreeing(file) == best]
    if len(found) > 1:
        raise KneeBundleError(
            f"{len(found)} images are called so ({found[0]}, {found[1]}, ...); state its folder", path
        )
    return found[0]
