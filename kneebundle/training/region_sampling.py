"""Random training examples from cached regions: geometry in one interpolation, exposure, sharpness, markers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

__all__ = ["DEFAULT_SAMPLING", "RegionSampling", "sample_region"]


@dataclass(frozen=True)
class RegionSampling:
    """How far :func:`sample_region` goes.

    Attributes:
        size_px: edge of the example, in pixels of the cache.
        shift_px: largest shift of the centre along each axis: where a first pass may have put it.
        rotate_deg: largest rotation.
        log_scale: largest change of size, as a logarithm.
        stretch: the same of the ratio of the axes.
        shear: largest shear.
        perspective: largest change of scale from the middle to a border.
        strength: factor on probabilities and geometry; 0 cuts the region and no more.
    """

    size_px: int = 384
    shift_px: float = 27.0
    rotate_deg: float = 8.0
    log_scale: float = 0.10
    stretch: float = 0.025
    shear: float = 0.03
    perspective: float = 0.03
    strength: float = 1.0


DEFAULT_SAMPLING = RegionSampling()


def sample_region(
    region: np.ndarray,
    points: np.ndarray,
    rng: np.random.RandomState,
    center: np.ndarray | None = None,
    sampling: RegionSampling = DEFAULT_SAMPLING,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a training example.

    Args:
        region: (H, W) uint8, 0 outside the radiograph (see :func:`kneebundle.datasets.scale_to_bytes`).
        points: (N, 2) in its pixels; NaN stays NaN.
        rng: source of all that is drawn.
        center: (x, y) that the example is cut around before the shift; None: the middle.
        sampling: how far the drawing goes.

    Returns:
        The image (1, S, S) in [-1, 1], as the region transforms of the bundle leave it, and the points (N, 2) as
        fractions of its width and height.

    Example:
        >>> import numpy as np
        >>> region, points = np.full((467, 467), 90, dtype=np.uint8), np.array([[233.0, 233.0]])
        >>> plain = RegionSampling(shift_px=0.0, strength=0.0)
        >>> image, fractions = sample_region(region, points, np.random.RandomState(0), sampling=plain)
        >>> image.shape, fractions.tolist()
        (torch.Size([1, 384, 384]), [[0.5, 0.5]])
    """
    size, k = sampling.size_px, sampling.strength
    matrix = _draw_homography(rng, sampling)
    middle = (np.array(region.shape[::-1]) - 1) / 2 if center is None else np.asarray(center, dtype=np.float64)
    middle = middle + rng.uniform(-sampling.shift_px, sampling.shift_px, 2)
    image, mask = _warp(np.ascontiguousarray(region), matrix, middle, size)
    back = np.concatenate([points - middle, np.ones((len(points), 1))], axis=1) @ np.linalg.inv(matrix).T
    fractions = (back[:, :2] / back[:, 2:] + size / 2) / size
    image, mask = _cover_border(image, mask, rng, k)
    image = _vary_exposure(image.clamp(0.0, 1.0), rng, k)
    image = _vary_sharpness(image, rng, k)
    image = _add_noise(image, rng, k)
    if rng.rand() < 0.15 * k:
        image = _draw_objects(image, rng)
    if rng.rand() < 0.04 * k:
        image = 1.0 - image
    ends = (rng.uniform(0.0, 2.0), rng.uniform(98.0, 100.0)) if k > 0 else (1.0, 99.0)
    image = _normalize(image, mask, *ends)
    if rng.rand() < 0.2 * k and not bool(mask.all()):
        image = torch.where(mask, image, torch.full_like(image, float(rng.uniform(-1.0, 1.0))))
    return image[None], torch.from_numpy(fractions.astype(np.float32))


def _draw_homography(rng: np.random.RandomState, sampling: RegionSampling) -> np.ndarray:
    """Draw the matrix (3, 3) from pixels of the example about its middle to those of the region."""
    k = sampling.strength
    angle = math.radians(rng.uniform(-1, 1) * sampling.rotate_deg * k)
    scale = rng.uniform(-1, 1) * sampling.log_scale * k
    stretch = rng.uniform(-1, 1) * sampling.stretch * k
    shear = rng.uniform(-1, 1) * sampling.shear * k
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn @ np.diag(np.exp([scale + stretch, scale - stretch])) @ np.array([[1.0, shear], [0.0, 1.0]])
    matrix[2, :2] = rng.uniform(-1, 1, 2) * sampling.perspective * k / (sampling.size_px / 2)
    return matrix


def _warp(region: np.ndarray, matrix: np.ndarray, center: np.ndarray, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the example: grey values in [0, 1], and (S, S) bool: what lies on the radiograph."""
    height, width = region.shape
    ramp = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    y, x = torch.meshgrid(ramp, ramp, indexing="ij")
    grid = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ torch.from_numpy(matrix.astype(np.float32)).T
    place = grid[..., :2] / grid[..., 2:] + torch.tensor(center, dtype=torch.float32)
    place = (place + 0.5) / torch.tensor([width, height]) * 2 - 1
    source = torch.from_numpy(region.astype(np.float32))
    both = torch.stack([source, (source > 0).float()])[None]
    grey, inside = functional.grid_sample(
        both, place[None], mode="bilinear", padding_mode="zeros", align_corners=False
    )[0]
    return grey / 255.0, inside > 0.99


def _cover_border(
    image: torch.Tensor, mask: torch.Tensor, rng: np.random.RandomState, k: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sometimes cover a strip at one border: a collimator, a frame, or the end of the radiograph."""
    if rng.rand() >= 0.15 * k:
        return image, mask
    width = rng.randint(4, 45)
    strips = (np.s_[:width], np.s_[-width:], np.s_[:, :width], np.s_[:, -width:])
    strip = strips[rng.randint(4)]
    if rng.rand() < 0.5:
        image = image.clone()
        image[strip] = float(rng.choice([0.01, 1.0, rng.rand()]))
    else:
        mask = mask.clone()
        mask[strip] = False
    return image, mask


def _vary_exposure(image: torch.Tensor, rng: np.random.RandomState, k: float) -> torch.Tensor:
    """Vary gamma, and add a shade that changes slowly over the region."""
    if rng.rand() < 0.6 * k:
        image = image ** math.exp(rng.uniform(-0.45, 0.45))
    if rng.rand() < 0.3 * k:
        coarse = torch.from_numpy(rng.normal(0.0, 0.12, (1, 1, 3, 3)).astype(np.float32))
        image = image + functional.interpolate(coarse, size=image.shape, mode="bicubic", align_corners=True)[0, 0]
    return image


def _vary_sharpness(image: torch.Tensor, rng: np.random.RandomState, k: float) -> torch.Tensor:
    """Blur a quarter of the time; enhance edges, as scanners and viewers do, a little more often."""
    drawn = rng.rand()
    if drawn < 0.25 * k:
        return _blur(image, rng.uniform(0.5, 1.8))
    if drawn < 0.55 * k:
        return image + rng.uniform(0.3, 1.6) * (image - _blur(image, rng.uniform(0.8, 1.6)))
    return image


def _add_noise(image: torch.Tensor, rng: np.random.RandomState, k: float) -> torch.Tensor:
    """Add grain, fine or coarse, and now and then salt and pepper."""
    size = tuple(image.shape)
    if rng.rand() < 0.35 * k:
        grain = torch.from_numpy(rng.standard_normal(size).astype(np.float32))
        if rng.rand() < 0.5:
            grain = _blur(grain, rng.uniform(0.5, 1.2))
            grain = grain / grain.std()
        image = image + grain * rng.uniform(0.01, 0.07)
    if rng.rand() < 0.03 * k:
        drawn = torch.from_numpy(rng.rand(*size).astype(np.float32))
        image = torch.where(drawn < 0.005, 0.0, torch.where(drawn > 0.995, 1.0, image))
    return image


def _draw_objects(image: torch.Tensor, rng: np.random.RandomState) -> torch.Tensor:
    """Draw one to three balls, markers or holes."""
    height, width = image.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for _ in range(rng.randint(1, 4)):
        left, top = rng.uniform(0, width), rng.uniform(0, height)
        radius, half_height = rng.uniform(6, 34), rng.uniform(4, 30)
        value = float(rng.choice([0.0, 1.0, 1.1, rng.rand()]))
        if rng.rand() < 0.5:
            inside = (x - left) ** 2 + (y - top) ** 2 < radius**2
        else:
            inside = ((x - left).abs() < radius) & ((y - top).abs() < half_height)
        image = torch.where(inside, value, image)
    return image


def _normalize(image: torch.Tensor, mask: torch.Tensor, lower: float, upper: float) -> torch.Tensor:
    """Clip at two percentiles of the radiograph's pixels and scale to [-1, 1]; 0 outside, as the bundle fills it."""
    values = image[mask]
    if values.numel() < 100:
        return torch.zeros_like(image)
    low, high = (float(v) for v in np.percentile(values.numpy(), [lower, upper], method="nearest"))
    if high <= low:
        return torch.zeros_like(image)
    return torch.where(mask, ((image - low) / (high - low)).clamp(0.0, 1.0) * 2 - 1, 0.0)


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = math.ceil(2.5 * sigma)
    ramp = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-ramp.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = functional.pad(image[None, None], (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))[0, 0]
