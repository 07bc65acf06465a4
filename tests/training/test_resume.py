"""Training that was stopped goes on as if it had not been, through a config like a bundle's."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.utils import set_determinism

from kneebundle.errors import KneeBundleError
from kneebundle.training.checkpoint import ResumableCheckpoint

CONFIG: dict[str, Any] = {
    "imports": ["$import torch", "$import monai.handlers"],
    "output_dir": "",
    "max_epochs": 4,
    "resume": False,
    "patience": 100,
    "num_workers": 0,
    "samples": "",
    "network": (
        "$torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3),"
        " torch.nn.Linear(8, 4), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (2, 2)))"
    ),
    "loss": {"_target_": "kneebundle.losses.AdaptiveRobustLoss", "num_landmarks": 2, "unit": "px", "scale": 100},
    "optimizer": {
        "_target_": "torch.optim.Adam",
        "params": "$list(@network.parameters()) + list(@loss.parameters())",
        "lr": 0.02,
    },
    "lr_scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "optimizer": "@optimizer", "step_size": 1},
    "early_stop": {
        "_target_": "kneebundle.training.EarlyStop",
        "patience": "@patience",
        "evaluator": "@evaluator",
        "greater_is_better": False,
    },
    "best": {
        "_target_": "kneebundle.training.AtomicCheckpointSaver",
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
                "_target_": "kneebundle.training.ResumableCheckpoint",
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


def outcome(parser: ConfigParser, folder: Path) -> dict[str, Any]:
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


@pytest.mark.parametrize("workers", [0, 1])
def test_two_and_two_epochs_are_four_bit_for_bit(tmp_path: Path, workers: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole, num_workers=workers)
    train(parts, num_workers=workers, max_epochs=2)
    stopped = torch.load(parts / "checkpoint.pt", weights_only=True)
    resumed = train(parts, num_workers=workers, resume=True)
    assert stopped["trainer"]["iteration"] == 6
    assert resumed.get_parsed_content("trainer").state.iteration == 12
    first, second = outcome(resumed, whole), outcome(resumed, parts)
    assert not torch.equal(stopped["model"]["1.weight"], second["model"]["1.weight"])
    assert_same(first, second)


def test_a_stop_within_an_epoch_costs_only_that_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole)
    with monkeypatch.context() as patch:
        patch.setattr("kneebundle.losses.AdaptiveRobustLoss.forward", _fails_at_call(2 * 8))
        with pytest.raises(RuntimeError, match="power"):
            train(parts)
    assert torch.load(parts / "checkpoint.pt", weights_only=True)["trainer"]["iteration"] == 6
    resumed = train(parts, resume=True)
    assert_same(outcome(resumed, whole), outcome(resumed, parts))


def _fails_at_call(number: int) -> Any:
    from kneebundle.losses import LandmarkLoss

    calls = iter(range(1, number + 1))

    def forward(self: LandmarkLoss, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) == number:
            raise RuntimeError("power failure")
        return LandmarkLoss.forward(self, pred, target)

    return forward


def test_the_scaler_of_a_training_in_float16_goes_on_where_it_was(tmp_path: Path) -> None:
    for resume, before in ((False, 8.0), (True, 2.0)):
        engine: Any = Engine(lambda *_: None)
        engine.scaler = torch.amp.GradScaler("cpu", init_scale=before)
        ResumableCheckpoint(tmp_path / "checkpoint.pt", {}, resume=resume).attach(engine)
        engine.run([0], max_epochs=2 if resume else 1)
        assert engine.scaler.get_scale() == 8.0


def test_the_best_weights_are_a_plain_state_dict_and_survive_a_worse_resumed_epoch(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert "1.weight" in best
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    checkpoint["best"]["saved"] = [(0.0, "model.pt")]  # an error that cannot be beaten
    checkpoint["best_metric"] = {"best_metric": 0.0, "best_metric_epoch": 1}
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    resumed = train(tmp_path, max_epochs=2, resume=True)
    assert_same(dict(torch.load(tmp_path / "model.pt", weights_only=True)), dict(best))
    assert resumed.get_parsed_content("evaluator").state.best_metric_epoch == 1


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    train(tmp_path, max_epochs=1, resume=True)
    assert_same(torch.load(tmp_path / "checkpoint.pt", weights_only=True), before)


def test_early_stop_ends_training_and_a_resumed_one_unless_patience_is_raised(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    checkpoint["early_stop"] |= {"best_score": 0.0, "counter": 0}  # no error can improve on 0
    torch.save(checkpoint, tmp_path / "checkpoint.pt")

    def epochs(patience: int) -> int:
        parser = train(tmp_path, max_epochs=6, patience=patience, resume=True)
        return parser.get_parsed_content("trainer").state.epoch

    assert epochs(patience=2) == 3
    assert epochs(patience=2) == 3
    assert epochs(patience=3) == 4


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "model.pt"]


def test_a_checkpoint_of_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(KneeBundleError, match=r"checkpoint\.pt: cannot go on") as caught:
        train(tmp_path, resume=True)
    assert "\n" not in str(caught.value)


def test_without_resume_an_old_checkpoint_is_overwritten(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=2)
    train(tmp_path, max_epochs=1)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["trainer"]["iteration"] == 3


def test_objects_that_cannot_be_saved_are_refused(tmp_path: Path) -> None:
    from kneebundle.training import ResumableCheckpoint

    with pytest.raises(ValueError, match="no state_dict"):
        ResumableCheckpoint(tmp_path / "c.pt", {"model": 3})
    with pytest.raises(ValueError, match="choose another"):
        ResumableCheckpoint(tmp_path / "c.pt", {"trainer": torch.nn.Linear(1, 1)})
