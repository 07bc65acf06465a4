"""The bootstrap interval of a median."""

from __future__ import annotations

import numpy as np

from kneebundle.metrics.intervals import median_interval


def test_the_interval_holds_the_median_and_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=38)
    found = median_interval(values)
    assert found.median == np.median(values) and found.size == 38
    assert found.low < found.median < found.high
    assert found == median_interval(values)


def test_four_of_five_intervals_hold_the_true_median() -> None:
    rng = np.random.default_rng(1)
    found = [median_interval(rng.normal(size=40)) for _ in range(30)]
    share = np.mean([interval.low <= 0.0 <= interval.high for interval in found])
    assert 0.65 < share < 0.95


def test_more_confidence_is_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    narrow, wide = median_interval(values, 0.5), median_interval(values, 0.99)
    assert wide.low < narrow.low and narrow.high < wide.high


def test_what_was_not_found_is_left_out() -> None:
    assert median_interval(np.array([1.0, np.nan, 3.0, np.inf, 2.0]))[::3] == (2.0, 3)
    assert median_interval(np.array([np.nan, 4.0])) == (4.0, 4.0, 4.0, 1)
    nothing = median_interval(np.array([np.nan]))
    assert np.isnan(nothing[:3]).all() and nothing.size == 0


def test_the_seed_and_the_confidence_are_kordons_unless_asked_otherwise() -> None:
    values = np.random.default_rng(3).normal(size=50)
    assert median_interval(values) == median_interval(values, confidence=0.8, seed=0)
    assert median_interval(values, seed=1) != median_interval(values, seed=0)
