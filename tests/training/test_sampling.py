"""Order and augmentation are functions of (seed, epoch, index)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import CacheDataset, Dataset
from monai.transforms import Compose, RandGaussianNoised
from torch.utils.data import ConcatDataset, Subset

from kneebundle.training import EpochSampler, ReproducibleLoader, SeededDataset

SAMPLES = [{"image": torch.full((1, 2, 2), float(i)), "id": i} for i in range(6)]
NOISE: dict[str, Any] = {"keys": "image", "prob": 1.0, "std": 0.01}


def dataset() -> Dataset:
    return Dataset(SAMPLES, Compose([RandGaussianNoised(**NOISE)]))


def epoch_of(loader: ReproducibleLoader, epoch: int) -> tuple[list[int], torch.Tensor]:
    sampler: Any = loader.sampler
    sampler.set_epoch(epoch)
    batches = list(loader)
    return [i for batch in batches for i in batch["id"].tolist()], torch.cat([batch["image"] for batch in batches])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_the_same_whatever_came_before(workers: int) -> None:
    loader = ReproducibleLoader(dataset(), seed=1, batch_size=2, num_workers=workers)
    epoch_of(loader, 1)
    order, images = epoch_of(loader, 2)
    torch.rand(5)
    fresh_order, fresh_images = epoch_of(ReproducibleLoader(dataset(), seed=1, batch_size=4), 2)
    assert order == fresh_order
    assert torch.equal(images, fresh_images)


def test_epochs_and_seeds_differ_in_order_and_in_augmentation() -> None:
    loader, other = (ReproducibleLoader(dataset(), seed=seed, batch_size=6) for seed in (1, 2))
    runs = [epoch_of(loader, 1), epoch_of(loader, 2), epoch_of(other, 1)]
    assert len({tuple(order) for order, _ in runs}) == 3
    noises = {(images - images.round())[order.index(0), 0, 0, 0].item() for order, images in runs}
    assert len(noises) == 3
    assert all(sorted(order) == [0, 1, 2, 3, 4, 5] for order, _ in runs)


def test_samples_of_an_epoch_are_augmented_differently() -> None:
    _, images = epoch_of(ReproducibleLoader(dataset(), batch_size=6, shuffle=False), 1)
    assert len({round(value, 6) for value in (images - images.round())[:, 0, 0, 0].tolist()}) == 6


def test_it_seeds_cached_subset_and_concatenated_data() -> None:
    cached = CacheDataset(SAMPLES, Compose([RandGaussianNoised(**NOISE)]), progress=False)
    several: list[Any] = [cached, Subset(cached, [1, 2]), ConcatDataset([cached, dataset()])]
    for wrapped in several:
        seeded = SeededDataset(wrapped, seed=5)
        first = seeded[len(seeded) * 3 + 1]["image"]
        seeded[0]
        assert torch.equal(seeded[len(seeded) * 3 + 1]["image"], first)
        assert not torch.equal(seeded[len(seeded) * 4 + 1]["image"], first)


def test_without_shuffling_the_order_is_that_of_the_data() -> None:
    sampler = EpochSampler(SAMPLES, shuffle=False)
    assert list(sampler) == [0, 1, 2, 3, 4, 5]
    sampler.set_epoch(2)
    assert list(sampler) == [12, 13, 14, 15, 16, 17]
