"""Training and evaluation in several processes, one a device, as torchrun starts them."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from kneebundle.errors import KneeBundleError

__all__ = ["is_main_process", "leave_process_group", "local_device", "parallel", "start_process_group"]


def local_device() -> torch.device:
    """The device of this process: the GPU of its LOCAL_RANK, or the processor where there is no GPU."""
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")
    )


def start_process_group() -> None:
    """Join the other processes: by NCCL on GPUs, by gloo on processors. Again: nothing happens.

    Raises:
        KneeBundleError: if torchrun has not started this process.
    """
    if dist.is_initialized():
        return
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        raise KneeBundleError(
            "a multi_gpu configuration was started as a single process; start it by torchrun, a process a GPU, "
            "or leave the multi_gpu file out"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(local_device())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave_process_group() -> None:
    """Leave the other processes, if they were joined, once all of them are done.

    The first process writes files when the others have nothing left to do; one that ends meanwhile may be torn down
    while a thread of gloo still lets go of the last exchange, and then aborts.
    """
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def is_main_process() -> bool:
    """Whether this process writes logs and files: the first one, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


def parallel(network: nn.Module, device: torch.device) -> Any:
    """Make a network, or loss, whose gradients are averaged over all processes, starting as in the first process.

    One without anything to learn is left as it is.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    return nn.parallel.DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
