"""From heatmaps to landmarks: the highest place, to a fraction of a pixel, and how sure that is."""

import torch

__all__ = ["decode_heatmaps", "heatmap_confidence", "peak_spread", "peak_values"]


def decode_heatmaps(
    heatmaps: torch.Tensor,
    method: str = "centroid",
    radius: int = 8,
    height: float = 1.0,
    confidence_spread: float = 0.015,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find where each landmark's heatmap is highest (Payer et al. 2019, section 2), and how sure that is.

    ``"argmax"`` is the centre of the highest pixel, as in the paper. ``"centroid"`` is the centre of mass around it of
    the squares of what stands above a quarter of its height; ``"quadratic"`` the top of the parabola through the
    logarithms of the highest pixel and its two neighbours along each axis, which is exact for a Gaussian, but minds
    noise more. Both are good to 0.02 px on Gaussians of sigma 1 px and more. Pixels that are NaN do not count. Where
    nothing is higher than anything else it is the middle of the image.

    Args:
        heatmaps: (B, N, H, W) or (B, N, D, H, W), any values.
        method: ``"argmax"``, ``"centroid"`` or ``"quadratic"``.
        radius: reach of the centroid's window, in pixels along each axis; 1.7 sigma at least.
        height: see :func:`heatmap_confidence`.
        confidence_spread: see :func:`heatmap_confidence`.

    Returns:
        Points (B, N, d) float32, x, y(, z), (index + 0.5) / size, in [0, 1); and confidences (B, N) in (0, 1].

    Raises:
        ValueError: for another method, or a shape that is not one of these.

    Example:
        >>> import torch
        >>> heatmaps = torch.zeros(1, 1, 4, 8)
        >>> heatmaps[0, 0, 1, 5] = 1.0
        >>> points, confidence = decode_heatmaps(heatmaps, "argmax")
        >>> points  # (5.5 / 8, 1.5 / 4)
        tensor([[[0.6875, 0.3750]]])
    """
    if method not in ("argmax", "centroid", "quadratic"):
        raise ValueError(f"method is 'argmax', 'centroid' or 'quadratic', got '{method}'")
    maps = _check_maps(heatmaps)
    confidence = heatmap_confidence(maps, height, confidence_spread)
    index = _find_highest(maps)
    position = index.to(maps.dtype)
    if method == "centroid":
        position = position + _centroid_shift(maps, index, radius)
    elif method == "quadratic":
        position = position + _quadratic_shift(maps, index)
    flat = maps.flatten(2).amax(-1) <= maps.flatten(2).amin(-1)
    size = _size(maps)
    normalized = torch.where(flat.unsqueeze(-1), 0.5, (position + 0.5) / size)
    return normalized.clamp(0.0, 1.0 - 1e-6).flip(-1), confidence


def peak_values(heatmaps: torch.Tensor) -> torch.Tensor:
    """Take the highest value (B, N) of each heatmap (B, N, *S), NaN aside."""
    return _check_maps(heatmaps).flatten(2).amax(-1)


def peak_spread(heatmaps: torch.Tensor, above: float = 0.2) -> torch.Tensor:
    """Measure how far the high places of each heatmap lie apart.

    Args:
        heatmaps: (B, N, *S).
        above: what lies under this fraction of the highest value does not count.

    Returns:
        (B, N): the standard deviation over all axes of what stands above, as a fraction of the image's width. For one
        Gaussian it is a little less than sqrt(d) sigma / width; with two equal ones it is half their distance.
        Where no value is positive, 1.
    """
    maps = _check_maps(heatmaps)
    peak = maps.flatten(2).amax(-1)
    mass = (maps - above * _expand(peak, maps.dim() - 2)).clamp_min(0.0)
    total = mass.flatten(2).sum(-1)
    positive = (peak > 0) & (total > 0)
    variance = torch.zeros_like(total)
    for axis in range(2, maps.dim()):
        share = mass.movedim(axis, -1).flatten(2, -2).sum(2) / total.clamp_min(1e-30).unsqueeze(-1)
        ramp = torch.arange(maps.shape[axis], device=maps.device, dtype=maps.dtype)
        mean = (share * ramp).sum(-1, keepdim=True)
        variance = variance + (share * (ramp - mean).square()).sum(-1)
    return torch.where(positive, variance.clamp_min(0.0).sqrt() / maps.shape[-1], 1.0)


def heatmap_confidence(heatmaps: torch.Tensor, height: float = 1.0, confidence_spread: float = 0.015) -> torch.Tensor:
    """Compute how sure each heatmap is: ``min(1, peak / height) / (1 + spread / confidence_spread)``.

    Args:
        heatmaps: (B, N, *S).
        height: the peak that counts in full, that of the targets, or less.
        confidence_spread: the spread, as a fraction of the image's width, that halves the confidence.

    Returns:
        (B, N) in (0, 1]; next to 0 for a map that is flat, nowhere positive or NaN.
    """
    maps = _check_maps(heatmaps)
    value = (peak_values(maps) / height).clamp(0.0, 1.0)
    confidence = value / (1.0 + peak_spread(maps) / confidence_spread)
    return confidence.clamp(1e-6, 1.0)


def _check_maps(heatmaps: torch.Tensor) -> torch.Tensor:
    """Float32 maps with finite values: NaN lower than everything else in its map."""
    if heatmaps.dim() not in (4, 5):
        raise ValueError(f"heatmaps are (B, N, H, W) or (B, N, D, H, W), got {list(heatmaps.shape)}")
    maps = heatmaps.float()
    if bool(maps.isfinite().all()):
        return maps
    finite = maps.isfinite()
    lowest = torch.where(finite, maps, torch.inf).flatten(2).amin(-1)
    lowest = torch.where(lowest.isfinite(), lowest, 0.0).clamp_max(0.0)
    return torch.where(finite, maps, _expand(lowest, maps.dim() - 2))


def _expand(values: torch.Tensor, axes: int) -> torch.Tensor:
    """(B, N) as (B, N, 1, ...), to go with maps of so many axes."""
    return values.reshape(list(values.shape) + [1] * axes)


def _size(maps: torch.Tensor) -> torch.Tensor:
    return torch.tensor(maps.shape[2:], device=maps.device, dtype=torch.float32)


def _find_highest(maps: torch.Tensor) -> torch.Tensor:
    """Index (B, N, d) of the highest pixel."""
    flat = maps.flatten(2).argmax(-1)
    index: list[torch.Tensor] = []
    for size in list(maps.shape[2:])[::-1]:
        index.append(flat % size)
        flat = torch.div(flat, size, rounding_mode="floor")
    return torch.stack(index[::-1], dim=-1)


def _look_around(maps: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (B, N, K) of ``maps`` at ``index`` (B, N, d) + ``offsets`` (K, d), and which of them lie inside."""
    place = index.unsqueeze(2) + offsets
    flat = torch.zeros_like(place[..., 0])
    inside = torch.ones_like(flat, dtype=torch.bool)
    for axis in range(offsets.shape[1]):
        size = maps.shape[2 + axis]
        along = place[..., axis]
        inside = inside & (along >= 0) & (along < size)
        flat = flat * size + along.clamp(0, size - 1)
    return maps.flatten(2).gather(2, flat), inside


def _centroid_shift(maps: torch.Tensor, index: torch.Tensor, radius: int) -> torch.Tensor:
    """From the highest pixel to the centre of mass around it, (B, N, d)."""
    dims = maps.dim() - 2
    reach = torch.arange(-radius, radius + 1, device=maps.device)
    offsets = torch.stack(torch.meshgrid([reach] * dims, indexing="ij"), dim=-1).reshape(-1, dims)
    values, inside = _look_around(maps, index, offsets)
    peak = maps.flatten(2).amax(-1, keepdim=True)
    inside = inside & inside.flip(-1)  # at the border, only pixels with a counterpart on the other side
    mass = torch.where(inside, values - 0.25 * peak, 0.0).clamp_min(0.0).square()
    total = mass.sum(-1, keepdim=True)
    shift = (mass.unsqueeze(-1) * offsets).sum(2) / total.clamp_min(1e-30)
    return torch.where(total > 0, shift, 0.0)


def _quadratic_shift(maps: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """From the highest pixel to the top of the parabola through the logarithms, each axis for itself, (B, N, d)."""
    dims = maps.dim() - 2
    unit = torch.eye(dims, device=maps.device, dtype=torch.long)
    peak = maps.flatten(2).amax(-1, keepdim=True)
    least = (1e-3 * peak).clamp_min(1e-30)
    before, inside_before = _look_around(maps, index, -unit)
    after, inside_after = _look_around(maps, index, unit)
    left, right = torch.maximum(before, least).log(), torch.maximum(after, least).log()
    bend = left + right - 2.0 * torch.maximum(peak, least).log()
    there = inside_before & inside_after & (bend < 0)
    shift = 0.5 * (left - right) / torch.where(there, bend, -1.0)
    return torch.where(there, shift, 0.0).clamp(-0.5, 0.5)
