"""Training of several tasks at once with weights that GradNorm learns, at every stage of a stacked network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import ignite.distributed as idist
import torch
from monai.engines import SupervisedTrainer
from torch import nn

__all__ = ["WEIGHTINGS", "GradNorm", "GradNormTrainer"]

WEIGHTINGS = ("gradnorm", "equal", "fixed")
SMALLEST_WEIGHT = 1e-3


class GradNorm:
    """Task weights w_t of every stage, by which all tasks are learnt at one pace (Chen et al. 2018, Algorithm 1).

    With L_t the loss of a task, W the weights of the last layer that the tasks of a stage share, and means over tasks:

        G_t = w_t |grad_W L_t|,   r_t = (L_t / L_t(0)) / mean(L / L(0)),   target_t = mean(G) r_t^alpha (held fixed),

    a step of the optimiser on sum_t |G_t - target_t| with respect to w, then w is rescaled to sum up to the number of
    tasks. Kordon et al. (2019, section 2.1) do so at every stage; so do we, each stage for itself, with the losses of
    that stage. As d G_t / d w_t is |grad_W L_t|, no second differentiation is needed.

    Two things are ours: a weight stays at 0.001 or more, since RMSProp's steps could make it negative, and a task whose
    first loss is not positive (nothing of it was labelled) waits for the first one that is.

    Args:
        stages: number of stages.
        tasks: number of tasks.
        alpha: asymmetry; 1 in the paper.
        learning_rate: of RMSProp on the weights; 0.025 in the paper.

    Example:
        >>> import torch
        >>> from kneebundle.training import GradNorm
        >>> grad_norm = GradNorm(stages=1, tasks=2)
        >>> grad_norm.update(losses=torch.tensor([[0.5, 2.0]]), norms=torch.tensor([[1.0, 4.0]]))
        >>> grad_norm.weights
        tensor([[1.2500, 0.7500]])
    """

    def __init__(self, stages: int, tasks: int, alpha: float = 1.0, learning_rate: float = 0.025) -> None:
        self.alpha = float(alpha)
        self.weights = torch.ones(stages, tasks)
        self.first_losses = torch.zeros(stages, tasks)
        self.optimizer = torch.optim.RMSprop([self.weights], lr=learning_rate)

    def update(self, losses: torch.Tensor, norms: torch.Tensor) -> None:
        """One step.

        Args:
            losses: (stages, tasks) L_t.
            norms: (stages, tasks) |grad_W L_t|, of the losses without their weights.
        """
        losses, norms = losses.detach().float().cpu(), norms.detach().float().cpu()
        self.first_losses = torch.where(self.first_losses > 0, self.first_losses, losses)
        ratios = losses / self.first_losses.clamp_min(1e-12)
        rates = ratios / ratios.mean(dim=1, keepdim=True).clamp_min(1e-12)
        weighted = self.weights * norms
        targets = weighted.mean(dim=1, keepdim=True) * rates**self.alpha
        self.weights.grad = torch.sign(weighted - targets) * norms
        self.optimizer.step()
        self.weights.clamp_(min=SMALLEST_WEIGHT)
        self.weights *= self.weights.shape[1] / self.weights.sum(dim=1, keepdim=True)

    def state_dict(self) -> dict[str, Any]:
        """Weights, first losses and the optimiser's state."""
        return {
            "weights": self.weights.clone(),
            "first_losses": self.first_losses.clone(),
            "optimizer": deepcopy(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.weights.copy_(state_dict["weights"])
        self.first_losses = state_dict["first_losses"].clone()
        self.optimizer.load_state_dict(state_dict["optimizer"])


class GradNormTrainer(SupervisedTrainer):
    """MONAI's SupervisedTrainer for a loss of several tasks at several stages; events and handlers are unchanged.

    The loss function returns, for each stage, a list with a scalar a task; what is propagated backwards is their sum,
    each times its weight (Kordon et al. 2019, section 2.1). The weights are those of the step before, as in Algorithm 1
    of Chen et al. (2018). They stand in ``engine.state.task_weights`` (stages, tasks), the unweighted losses in
    ``engine.state.task_losses``, and both the weights and GradNorm's state are part of the trainer's ``state_dict``, so
    a checkpoint that saves the trainer resumes them exactly. For mixed precision see
    :class:`~kneebundle.inferers.AutocastInferer`.

    Args:
        tasks: names of the tasks, in the order of the loss.
        weighting: ``"gradnorm"``; ``"equal"``, all 1; or ``"fixed"``, ``task_weights`` as given.
        alpha, weight_learning_rate: see :class:`GradNorm`.
        weight_interval: iterations from one step of GradNorm to the next. 1 in the paper; each step costs a third of an
            iteration.
        task_weights: for ``"fixed"``: one number a task, the same at every stage.
        args, kwargs: those of SupervisedTrainer. The network has a method ``shared_layers()`` that returns, for each
            stage, the last module that its tasks share.

    Raises:
        ValueError: for an unknown ``weighting``, missing, needless or too few ``task_weights``, a network without
            ``shared_layers``, or, in training, a loss of another shape.
    """

    def __init__(
        self,
        *args: Any,
        tasks: Sequence[str],
        weighting: str = "gradnorm",
        alpha: float = 1.0,
        weight_learning_rate: float = 0.025,
        weight_interval: int = 1,
        task_weights: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is one of {', '.join(WEIGHTINGS)}, got {weighting!r}")
        if (task_weights is not None) != (weighting == "fixed"):
            raise ValueError("task_weights are given with weighting 'fixed', and only then")
        super().__init__(*args, **kwargs)
        self.tasks = tuple(tasks)
        if task_weights is not None and len(task_weights) != len(self.tasks):
            raise ValueError(f"{len(self.tasks)} task_weights are needed, got {len(task_weights)}")
        network: Any = self.network.module if hasattr(self.network, "module") else self.network
        if not hasattr(network, "shared_layers"):
            raise ValueError(f"{type(network).__name__} has no shared_layers() for GradNorm to look at")
        self.shared: list[nn.Module] = network.shared_layers()
        stages = len(self.shared)
        self.grad_norm = GradNorm(stages, len(self.tasks), alpha, weight_learning_rate)
        self.weighting = weighting
        self.weight_interval = int(weight_interval)
        if task_weights is not None:
            self.grad_norm.weights[:] = torch.tensor([float(w) for w in task_weights])
        self._task_losses = self.loss_function
        self.loss_function = self._weighted_loss
        self._show(torch.full((stages, len(self.tasks)), torch.nan))

    def state_dict(self) -> OrderedDict:
        """Ignite's state of the engine, and that of the weights."""
        state = super().state_dict()
        state["grad_norm"] = self.grad_norm.state_dict()
        return state

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Restore what :meth:`state_dict` gave; weights that are fixed by the arguments stay as they are."""
        super().load_state_dict(state_dict)
        if self.weighting == "gradnorm" and "grad_norm" in state_dict:
            self.grad_norm.load_state_dict(state_dict["grad_norm"])

    def _weighted_loss(self, pred: Any, target: torch.Tensor) -> torch.Tensor:
        losses: Sequence[Sequence[torch.Tensor]] = self._task_losses(pred, target)
        values = torch.stack([torch.stack(list(stage)) for stage in losses])
        weights = self.grad_norm.weights
        if values.shape != weights.shape:
            raise ValueError(
                f"losses of {len(weights)} stages and {len(self.tasks)} tasks are needed, got {values.shape}"
            )
        total = (weights.to(values.device, copy=True) * values).sum()
        if self.weighting == "gradnorm" and self.state.iteration % self.weight_interval == 0:
            norms = _average_over_processes(self._gradient_norms(losses))
            # where the scaler is still too large they are not finite, and the trainer skips the step, too
            if bool(torch.isfinite(norms).all()):
                self.grad_norm.update(_average_over_processes(values), norms)
        self._show(values.detach())
        return total

    def _gradient_norms(self, losses: Sequence[Sequence[torch.Tensor]]) -> torch.Tensor:
        """(stages, tasks) |grad_W L_t|, W the weights of the last layer that the tasks of a stage share.

        In float16 the losses are enlarged as the trainer's scaler has it, lest the gradients vanish on their way.
        """
        scale = 1.0 if self.scaler is None else self.scaler.get_scale()
        norms = [
            torch.stack([_gradient_norm(loss * scale, list(layer.parameters())) for loss in stage])
            for stage, layer in zip(losses, self.shared, strict=True)
        ]
        return torch.stack(norms) / scale

    def _show(self, losses: torch.Tensor) -> None:
        state: Any = self.state
        state.task_losses = losses
        state.task_weights = self.grad_norm.weights.clone()


def _gradient_norm(loss: torch.Tensor, parameters: list[nn.Parameter]) -> torch.Tensor:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    return torch.stack([gradient.norm() for gradient in gradients]).norm()


def _average_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Average over the processes of a distributed training, so that all go on with the same weights."""
    total: Any = idist.all_reduce(values.detach())
    return total / idist.get_world_size()
