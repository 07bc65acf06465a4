"""A small training through a config like a bundle's, which can be stopped and resumed."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.utils import set_determinism

CONFIG: dict[str, Any] = {
    "imports": ["$import torch", "$import monai.handlers"],
    "output_dir": "",
    "max_epochs": 4,
    "resume": False,
    "patience": 100,
    "num_workers": 0,
    "samples": "",
    "network": (
        "$torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.BatchNorm1d(8),"
        " torch.nn.Dropout(0.3), torch.nn.Linear(8, 4), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (2, 2)))"
    ),
    "loss": {"_target_": "kneebundle.losses.AdaptiveRobustLoss", "num_landmarks": 2, "unit": "px", "scale": 100},
    "optimizer": {
        "_target_": "torch.optim.Adam",
        "params": "$list(@network.parameters()) + list(@loss.parameters())",
        "lr": 0.02,
    },
    "lr_scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "optimizer": "@optimizer", "step_size": 1},
    "early_stop": {
        "_target_": "kneebundle.handlers.EarlyStop",
        "patience": "@patience",
        "evaluator": "@evaluator",
        "greater_is_better": False,
    },
    "best": {
        "_target_": "kneebundle.handlers.AtomicCheckpointSaver",
        "save_dir": "@output_dir",
        "save_dict": {"model": "@network"},
        "save_key_metric": True,
        "key_metric_filename": "model.pt",
        "key_metric_negative_sign": True,
    },
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "cpu",
        "val_data_loader": {
            "_target_": "DataLoader",
            "dataset": {"_target_": "Dataset", "data": "@samples"},
            "batch_size": 4,
        },
        "network": "@network",
        "key_val_metric": {
            "error": {
                "_target_": "IgniteMetricHandler",
                "metric_fn": {"_target_": "kneebundle.metrics.RadialError"},
                "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
            }
        },
        "metric_cmp_fn": "$lambda new, best: new < best",
        "val_handlers": ["@best"],
    },
    "trainer": {
        "_target_": "kneebundle.training.MixUpTrainer",
        "device": "cpu",
        "max_epochs": "@max_epochs",
        "train_data_loader": {
            "_target_": "kneebundle.training.ReproducibleLoader",
            "dataset": {
                "_target_": "Dataset",
                "data": "@samples",
                "transform": {
                    "_target_": "Compose",
                    "transforms": [{"_target_": "RandGaussianNoised", "keys": "image", "prob": 0.7}],
                },
            },
            "batch_size": 4,
            "num_workers": "@num_workers",
        },
        "network": "@network",
        "optimizer": "@optimizer",
        "loss_function": "@loss",
        "train_handlers": [
            {
                "_target_": "kneebundle.handlers.ResumableCheckpoint",
                "path": "$@output_dir + '/checkpoint.pt'",
                "objects": {
                    "model": "@network",
                    "loss": "@loss",
                    "optimizer": "@optimizer",
                    "lr_scheduler": "@lr_scheduler",
                    "early_stop": "@early_stop",
                    "best": "@best",
                },
                "evaluator": "@evaluator",
                "resume": "@resume",
            },
            {"_target_": "ValidationHandler", "validator": "@evaluator", "interval": 1},
            {"_target_": "LrScheduleHandler", "lr_scheduler": "@lr_scheduler", "print_lr": False},
            "@early_stop",
        ],
    },
}


def samples() -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)
    return [
        {"image": torch.rand(1, 6, 6, generator=generator), "label": torch.rand(2, 2, generator=generator)}
        for _ in range(12)
    ]


def train(folder: Path, **overrides: Any) -> ConfigParser:
    """One process's worth of training: everything is built anew."""
    config = json.loads(json.dumps(CONFIG)) | {"output_dir": str(folder), **overrides}
    config["samples"] = samples()
    set_determinism(11)
    parser = ConfigParser(config)
    parser.parse()
    for name in ("imports", "trainer"):
        parser.get_parsed_content(name)
    logging.getLogger("monai.engines.trainer").setLevel(logging.CRITICAL)
    parser.get_parsed_content("trainer").run()
    return parser


def outcome(folder: Path) -> dict[str, Any]:
    """All that could differ, as comparable text and tensors."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    state["model_file"] = torch.load(folder / "model.pt", weights_only=True)
    return state


def assert_same(first: Any, second: Any, name: str = "") -> None:
    assert type(first) is type(second), name
    if isinstance(first, dict):
        assert first.keys() == second.keys(), name
        for key in first:
            assert_same(first[key], second[key], f"{name}/{key}")
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), name
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{name}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), name
    else:
        assert first == second, name
