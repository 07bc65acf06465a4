"""Pictures of knees with their landmarks as a data set holds them: images/*.png and landmarks.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image

from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.transforms.normalize import normalize_percentiles
from kneebundle.transforms.resample import pixel_spacing, resample_to_spacing

__all__ = ["cut_around", "landmark_columns", "to_pixels", "write_picture"]


def landmark_columns(count: int = len(KNEE_PA)) -> list[str]:
    """List the columns of landmarks.csv.

    Args:
        count: number of landmarks.
    """
    return ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", *KNEE_PA.columns[: 2 * count]]


def write_picture(path: Path, image: MetaTensor, points_mm: np.ndarray) -> np.ndarray:
    """Write an image (1, H, W) as PNG of 8 bits, whole or not at all.

    Returns:
        (N, 2) the points, x and y, in pixels of the picture, rounded to hundredths.
    """
    grey = ((normalize_percentiles(image.as_tensor(), 0.1, 99.9)[0] + 1) * 127.5).round()
    with write_atomically(path) as temporary:
        Image.fromarray(grey.numpy().astype(np.uint8)).save(temporary, format="PNG")
    return to_pixels(image, points_mm).round(2)


def to_pixels(image: MetaTensor, points_mm: np.ndarray) -> np.ndarray:
    """Take points (N, 2) x, y from mm to the pixels of an image, by its affine."""
    inverse = np.linalg.inv(np.asarray(image.affine, dtype=np.float64))
    row_column = points_mm[:, ::-1] @ inverse[:2, :2].T + inverse[:2, 3]
    return row_column[:, ::-1]


def cut_around(film: MetaTensor, points_mm: Sequence[Sequence[float]] | np.ndarray, size_mm: float) -> MetaTensor:
    """Cut out the part of a film (1, H, W) in a square around the middle of points (N, 2), with square pixels.

    It ends where the film ends; nothing is filled in.

    Args:
        film: its affine takes row and column to mm.
        points_mm: (N, 2) x, y.
        size_mm: edge of the square.
    """
    points = np.asarray(points_mm, dtype=np.float64)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    corners = to_pixels(film, np.stack([middle - size_mm / 2, middle + size_mm / 2]))
    left, top = np.maximum(np.floor(corners[0]), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners[1]) + 1, [film.shape[2], film.shape[1]]).astype(int)
    affine = torch.as_tensor(film.affine, dtype=torch.float64).clone()
    affine[:3, 3] += affine[:3, 0] * int(top) + affine[:3, 1] * int(left)
    part = MetaTensor(film.as_tensor()[:, top:bottom, left:right].clone(), affine=affine)
    edge = min(pixel_spacing(part))
    return resample_to_spacing(part, (edge, edge))
