"""The files that answer one image: which there are, and writing them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kneebundle.inference.planning_model import BONES
from kneebundle.inference.results import Answer, LateralResult
from kneebundle.reports.dicom_seg import write_segmentation
from kneebundle.reports.dicom_source import why_no_source
from kneebundle.reports.dicom_sr import has_content, write_structured_report
from kneebundle.reports.json_report import to_document, write_document
from kneebundle.reports.lateral_overlay import write_lateral_overlay
from kneebundle.reports.masks import mask_name, write_masks
from kneebundle.reports.overlay import write_overlay

__all__ = ["FORMATS", "expected_files", "possible_files", "why_not_writable", "write_files"]

FORMATS = ("json", "csv", "png", "seg", "sr")
"""``csv`` is one for all images; ``seg`` is for lateral films."""


def write_files(answer: Answer, source: Path, record: Path, folder: Path, name: str, formats: Collection[str]) -> None:
    """Write the files of an answer, each whole or not at all, and last its record, so that a record means all is there.

    Args:
        answer: of a pipeline.
        source: the image's file.
        record: where the record goes, the JSON document.
        folder: where the other files go.
        name: what their names begin with.
        formats: of :data:`FORMATS`.

    Raises:
        KneeBundleError: if a DICOM report cannot refer to the image.
    """
    masks: Mapping[str, str] = {}
    if isinstance(answer, LateralResult):
        for bone in BONES:  # an earlier answer may have found more of them
            (folder / mask_name(name, bone)).unlink(missing_ok=True)
        if "png" in formats:
            masks = write_masks(answer, folder, name)
            write_lateral_overlay(answer, folder / f"{name}.png")
        if "seg" in formats and answer.bones:
            write_segmentation(answer, source, folder / f"{name}_seg.dcm")
    elif "png" in formats:
        write_overlay(answer, folder / f"{name}.png")
    document = to_document(answer, masks)
    if "sr" in formats and has_content(document):
        write_structured_report(document, source, folder / f"{name}_sr.dcm")
    write_document(document, record)


def expected_files(document: Mapping[str, Any], name: str, formats: Collection[str]) -> list[str]:
    """Names of the files that a record's image has if it was answered in these formats; csv and the record aside."""
    masks = document.get("planning", {}).get("masks", {})
    files = []
    if "png" in formats:
        files += [f"{name}.png", *(mask_name(name, bone) for bone in masks)]
    if "seg" in formats and masks:
        files.append(f"{name}_seg.dcm")
    if "sr" in formats and has_content(document):
        files.append(f"{name}_sr.dcm")
    return files


def possible_files(name: str) -> list[str]:
    """Names of all files that an image may have beside its record."""
    return [f"{name}.png", *(mask_name(name, bone) for bone in BONES), f"{name}_seg.dcm", f"{name}_sr.dcm"]


def why_not_writable(view: str, sop_instance_uid: str | None, formats: Collection[str]) -> str | None:
    """One line that says why an image cannot be answered in these formats, before it is answered; None: it can."""
    if "sr" in formats or ("seg" in formats and view == "lateral"):
        return why_no_source(sop_instance_uid)
    return None
