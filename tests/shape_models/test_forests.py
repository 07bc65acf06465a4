"""Forests as arrays predict what scikit-learn predicts."""

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from kneebundle.shape_models import Forests, draw_boxes, grow_forest, integrate, join_forests, measure_boxes

RNG = np.random.default_rng(0)
PIXELS = RNG.normal(size=(60, 60)).cumsum(0).cumsum(1) / 20
BOXES = draw_boxes(RNG, 30, 8)
X, Y = RNG.integers(10, 50, 400), RNG.integers(10, 50, 400)
FEATURES = measure_boxes(integrate(PIXELS), X[:, None], Y[:, None], BOXES)
GOALS = np.column_stack([30 - X, 30 - Y]) * 0.5


def test_the_mean_vote_is_scikit_learns_prediction() -> None:
    forest = join_forests([grow_forest(FEATURES, GOALS, 5, seed=3)], 1, BOXES)
    twin = ExtraTreesRegressor(5, min_samples_leaf=8, max_depth=14, max_features=3, bootstrap=True, random_state=3).fit(
        FEATURES.astype(np.float32), GOALS
    )
    votes = forest.vote(integrate(PIXELS), X[None], Y[None])
    assert votes.shape == (1, 400, 5, 3)
    np.testing.assert_allclose(votes[0, ..., :2].mean(1), twin.predict(FEATURES.astype(np.float32)), atol=0.01)
    assert (votes[..., 2] >= 0).all()


def test_each_landmark_asks_its_own_trees() -> None:
    first, second = grow_forest(FEATURES, GOALS, 3, 0), grow_forest(FEATURES, -GOALS, 3, 0)
    both = join_forests([first, second], 2, BOXES)
    x, y = np.stack([X, X]), np.stack([Y, Y])
    votes = both.vote(integrate(PIXELS), x, y)
    np.testing.assert_array_equal(votes[0], join_forests([first], 1, BOXES).vote(integrate(PIXELS), x[:1], y[:1])[0])
    np.testing.assert_allclose(votes[1, ..., :2], -votes[0, ..., :2])


def test_arrays_go_there_and_back() -> None:
    forest = join_forests([grow_forest(FEATURES, GOALS, 2, 1)], 1, BOXES)
    again = Forests(**forest.to_arrays())
    np.testing.assert_array_equal(
        again.vote(integrate(PIXELS), X[None], Y[None]), forest.vote(integrate(PIXELS), X[None], Y[None])
    )
