"""What each of two processes does in test_multi_gpu.py: train, evaluate, and save what it saw and came to.

torchrun ... one_of_two.py BUNDLE OUT [SETTINGS as JSON]; started plainly, it is the single process to compare with.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow


def workflow(bundle: Path, stem: str, parallel: bool, settings: dict) -> ConfigWorkflow:
    names = ["train.json"] if stem == "train" else ["train.json", "evaluate.json"]
    names += [f"multi_gpu_{stem}.json"] if parallel else []
    flow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / name) for name in names],
        workflow_type=stem if stem == "train" else "eval",
        logging_file=False,
        bundle_root=str(bundle),
        **settings,
    )
    flow.initialize()
    return flow


def main(bundle: Path, output: Path, settings: dict) -> None:
    parallel = "RANK" in os.environ
    rank = int(os.environ.get("RANK", 0))
    training = workflow(bundle, "train", parallel, {**settings, "output_dir": str(output)})
    parser = training.parser
    seen: list[tuple[int, torch.Tensor]] = []

    def remember(engine: Engine) -> None:
        state: Any = engine.state
        seen.extend((state.epoch, label.detach().clone()) for label in state.batch["landmarks"])

    parser.get_parsed_content("train#trainer").add_event_handler(Events.ITERATION_COMPLETED, remember)
    parser.get_parsed_content("training")
    network = parser.get_parsed_content("whole_network")
    metrics = parser.get_parsed_content("validate#evaluator").state.metrics
    if parallel:
        torch.distributed.barrier()  # the first process writes the weights that both evaluate
    torch.save({"seen": seen, "weights": network.state_dict(), "metrics": metrics}, output / f"rank{rank}.pt")
    evaluating = workflow(
        bundle,
        "evaluate",
        parallel,
        {"weights": str(output / "model_last.pt"), **settings, "output_dir": str(output / "evaluation")},
    )
    evaluating.parser.get_parsed_content("evaluating")
    evaluating.finalize()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of the process group, of which one may outlive the other process, are not waited for
