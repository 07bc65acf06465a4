"""An evaluation whose points and errors are known."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine

from kneebundle.metrics import RadialError

TRUTH = torch.tensor([[0.25, 0.75], [0.5, 0.5]])


class Shifted(torch.nn.Module):
    """Answers the two points, the first of them 0.5 to the right."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (TRUTH + torch.tensor([[0.5, 0.0], [0.0, 0.0]])).expand(len(image), 2, 2)


def evaluate(handlers: list[Any]) -> SupervisedEvaluator:
    samples = [{"image": torch.rand(1, 8, 16), "label": TRUTH} for _ in range(3)]
    metric: Any = IgniteMetricHandler(RadialError(), output_transform=from_engine(["pred", "label"]))
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples), batch_size=2),
        network=Shifted(),
        key_val_metric={"error": metric},
        val_handlers=handlers,
    )
    evaluator.run(global_epoch=5)
    return evaluator
