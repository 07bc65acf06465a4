"""Processes of a training, with one that is all there is."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import nn

from kneebundle.errors import KneeBundleError
from kneebundle.training.distributed import (
    is_main_process,
    leave_process_group,
    local_device,
    parallel,
    start_process_group,
)

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="several processes would share the GPU")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As torchrun starts the only process of a training."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE"])
def test_a_process_that_torchrun_did_not_start_says_what_to_do(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("RANK", "WORLD_SIZE"):
        monkeypatch.setenv(other, "0")
    monkeypatch.delenv(name)
    with pytest.raises(KneeBundleError, match="start it by torchrun, a process a GPU, or leave the multi_gpu file out"):
        start_process_group()
    leave_process_group()  # which was never joined
    assert is_main_process() and local_device() == torch.device("cpu")


def test_the_only_process_is_the_main_one_and_its_gradients_are_averaged(alone: None) -> None:
    start_process_group()
    start_process_group()
    assert dist.get_backend() == "gloo" and is_main_process()
    network = parallel(nn.Linear(2, 1), local_device())
    network(torch.ones(3, 2)).sum().backward()
    assert network.module.weight.grad.tolist() == [[3.0, 3.0]]
    fixed = nn.Linear(2, 1).requires_grad_(False)
    assert parallel(fixed, local_device()) is fixed
    leave_process_group()
    assert not dist.is_initialized()
