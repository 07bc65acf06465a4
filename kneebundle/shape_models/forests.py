"""Forests that regress displacements from Haar-like features, as plain arrays.

Lindner, Bromiley, Ionita and Cootes, "Robust and Accurate Shape Model Matching using Random Forest Regression-Voting",
IEEE Transactions on Pattern Analysis and Machine Intelligence 37 (2015), section 3. scikit-learn grows the trees; what
is kept of them are arrays, small enough to ship and safe to load, and they give what scikit-learn predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from kneebundle.shape_models.haar import measure_boxes

__all__ = ["Forests", "grow_forest", "join_forests"]

_FAR = 32_000.0


@dataclass(frozen=True)
class Forests:
    """A forest for each landmark, over the same features.

    Nodes stand in depth-first order: the child on the left, where the feature is at most the threshold, follows its
    parent.

    Attributes:
        boxes: (F, 8) int16, see :func:`kneebundle.shape_models.draw_boxes`.
        roots: (N, T) int32, the first node of each tree.
        feature: (nodes,) int16; -1 in a leaf.
        threshold: (nodes,) int16.
        jump: (nodes,) int16, from a node to its child on the right.
        votes: (leaves, 3) float16, leaves in the order of their nodes: x and y in mm from the point that is asked about
            to the landmark, and the standard deviation of that in mm.
    """

    boxes: np.ndarray
    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    jump: np.ndarray
    votes: np.ndarray

    @property
    def leaf(self) -> np.ndarray:
        """(nodes,) int64: number of the leaf at each node, or of the next one."""
        is_leaf = self.feature < 0
        return np.cumsum(is_leaf) - is_leaf

    def vote(self, integral: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Ask the forest of each landmark at some points.

        Args:
            integral: of the frame, see :func:`kneebundle.shape_models.integrate`.
            x: (N, P) columns of the points at which the forest of each landmark is asked, whole numbers.
            y: (N, P) rows.

        Returns:
            (N, P, T, 3) float32 votes: x and y in mm relative to the point, and their standard deviation.
        """
        shape = (*x.shape, self.roots.shape[1])
        node = np.broadcast_to(self.roots[:, None, :], shape).ravel().astype(np.int64)
        columns, rows = (np.broadcast_to(c[..., None], shape).ravel() for c in (x, y))
        active = np.flatnonzero(self.feature[node] >= 0)
        while len(active):
            at = node[active]
            measured = measure_boxes(integral, columns[active], rows[active], self.boxes[self.feature[at]])
            at += np.where(measured <= self.threshold[at], 1, self.jump[at])
            node[active] = at
            active = active[self.feature[at] >= 0]
        return self.votes[self.leaf[node]].astype(np.float32).reshape(*shape, 3)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def grow_forest(
    features: np.ndarray, displacements: np.ndarray, trees: int, seed: int, fewest: int = 8, deepest: int = 14
) -> Forests:
    """Grow the forest of one landmark with scikit-learn.

    Args:
        features: (S, F) whole numbers.
        displacements: (S, 2) mm from each sample's point to the landmark.
        trees: number of trees.
        seed: of scikit-learn.
        fewest: samples in a leaf.
        deepest: largest depth.

    Returns:
        One forest, without boxes.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        trees,
        min_samples_leaf=fewest,
        max_depth=deepest,
        max_features=max(1, features.shape[1] // 8),
        bootstrap=True,
        random_state=seed,
    )
    forest.fit(features.astype(np.float32), displacements)
    return join_forests([_convert(estimator.tree_) for estimator in forest.estimators_], 1)


def _convert(tree: object) -> Forests:
    """A tree of scikit-learn as a forest of one."""
    left, right = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    is_leaf = left < 0
    nodes = np.arange(len(left))
    assert np.array_equal(left[~is_leaf], nodes[~is_leaf] + 1), "scikit-learn's trees are no longer depth-first"
    # a tree may split a value from the next one below it by any number in between
    threshold = np.clip(np.floor(tree.threshold), -_FAR, _FAR)  # type: ignore[attr-defined]
    value, impurity = tree.value[is_leaf, :, 0], tree.impurity[is_leaf]  # type: ignore[attr-defined]
    return Forests(
        boxes=np.zeros((0, 8), dtype=np.int16),
        roots=np.zeros((1, 1), dtype=np.int32),
        feature=np.where(is_leaf, -1, tree.feature).astype(np.int16),  # type: ignore[attr-defined]
        threshold=np.where(is_leaf, 0, threshold).astype(np.int16),
        jump=np.where(is_leaf, 0, right - nodes).astype(np.int16),
        votes=np.column_stack([value, np.sqrt(2 * np.maximum(impurity, 0))]).astype(np.float16),
    )


def join_forests(forests: Sequence[Forests], landmarks: int, boxes: np.ndarray | None = None) -> Forests:
    """Join trees, or the forests of several landmarks.

    Args:
        forests: that all have the same number of trees.
        landmarks: number of landmarks of all together.
        boxes: their features; None: those of the first.
    """
    firsts = np.cumsum([0, *(len(forest.feature) for forest in forests)])
    roots = np.concatenate([forest.roots.ravel() + first for forest, first in zip(forests, firsts[:-1], strict=True)])
    return Forests(
        boxes=forests[0].boxes if boxes is None else boxes,
        roots=roots.reshape(landmarks, -1).astype(np.int32),
        **{
            name: np.concatenate([getattr(forest, name) for forest in forests])
            for name in ("feature", "threshold", "jump", "votes")
        },
    )
