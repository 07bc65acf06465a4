"""Data whose order and augmentation depend on seed and epoch alone, so that training resumes exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from monai.data import DataLoader, Dataset
from monai.data.utils import set_rnd
from monai.transforms import Randomizable
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data.distributed import DistributedSampler

__all__ = ["EpochSampler", "ReproducibleLoader", "SeededDataset"]


class EpochSampler(DistributedSampler):
    """Order of the samples from (seed, epoch); the index it yields also carries the epoch, ``epoch * size + index``.

    MONAI engines tell a DistributedSampler the epoch when it starts; in a single process this one has one replica.

    Args:
        dataset: anything with a length.
        seed: of the shuffling.
        shuffle: whether to shuffle at all.

    Example:
        >>> from kneebundle.training import EpochSampler
        >>> sampler = EpochSampler("abcd", shuffle=False)
        >>> sampler.set_epoch(2)
        >>> list(sampler)
        [8, 9, 10, 11]
    """

    def __init__(self, dataset: Sized, seed: int = 0, shuffle: bool = True) -> None:
        replicas, rank = (dist.get_world_size(), dist.get_rank()) if _is_distributed() else (1, 0)
        sized: Any = dataset
        super().__init__(sized, num_replicas=replicas, rank=rank, shuffle=shuffle, seed=seed)

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)  # type: ignore[arg-type]
        order = np.arange(size)
        if self.shuffle:
            # not the base class's seed + epoch, by which epoch 2 of seed 1 would repeat epoch 1 of seed 2
            order = np.random.default_rng([self.seed, self.epoch]).permutation(size)
        padded = np.resize(order, self.total_size)
        yield from (self.epoch * size + padded[self.rank :: self.num_replicas]).tolist()


class SeededDataset(TorchDataset):
    """A data set whose random transforms are seeded anew for each sample, from (seed, epoch, index).

    The sample is then the same in whichever worker and after whichever resume it is made. ``dataset.transform``, the
    data set itself where it is ``Randomizable``, and the data sets inside a subset or concatenation are seeded. The
    transforms must draw from their own state ``self.R``, as MONAI's do, and not from global random numbers.

    Args:
        dataset: the data set.
        seed: of the augmentation.
    """

    def __init__(self, dataset: Any, seed: int = 0) -> None:
        self.dataset = dataset
        self.seed = int(seed)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """The sample at ``position`` = epoch * size + index, as :class:`EpochSampler` yields it."""
        epoch, index = divmod(int(position), len(self))
        sequence = np.random.SeedSequence([self.seed, epoch, index])
        _seed_randomness(self.dataset, int(sequence.generate_state(1)[0]))
        return self.dataset[index]


class ReproducibleLoader(DataLoader):
    """MONAI's DataLoader over a :class:`SeededDataset` in the order of an :class:`EpochSampler`.

    Args:
        dataset: the data set.
        seed: of order and augmentation.
        shuffle: whether to shuffle.
        kwargs: further arguments of the DataLoader (batch_size, num_workers, drop_last, ...). Unless they say
            otherwise, memory is pinned where there is CUDA. Processes live for an epoch: those that lived on would not
            learn of its number, which decides the augmentation.
    """

    def __init__(self, dataset: Dataset, seed: int = 0, shuffle: bool = True, **kwargs: Any) -> None:
        kwargs = {
            "pin_memory": torch.cuda.is_available(),
            **kwargs,
        }
        super().__init__(SeededDataset(dataset, seed), sampler=EpochSampler(dataset, seed, shuffle), **kwargs)


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


def _seed_randomness(dataset: Any, seed: int) -> None:
    if isinstance(dataset, Randomizable):
        dataset.set_random_state(seed=seed)
    if hasattr(dataset, "transform"):
        set_rnd(dataset.transform, seed)
    for inner in (getattr(dataset, "dataset", None), *getattr(dataset, "datasets", ())):
        if inner is not None:
            _seed_randomness(inner, seed)
