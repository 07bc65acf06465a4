"""Labels of networks: in pixels of the region, and none where predictions differ."""

import numpy as np
import torch

from kneebundle.datasets.region_cache import KneeRegions
from kneebundle.training.pseudo_labels import combine_predictions, predict_regions


class Middle(torch.nn.Module):
    """Predicts the middle of every image."""

    def forward(self, x: torch.Tensor, with_confidence: bool = True) -> torch.Tensor:
        return torch.tensor([0.5, 0.5, 0.9]).expand(len(x), 16, 3)


def test_predicted_points_are_in_pixels_of_the_region() -> None:
    look = np.random.default_rng(0).integers(1, 255, (2, 100, 100), dtype=np.uint8)
    regions = KneeRegions({"raw": look}, np.zeros((2, 16, 2)), [{}] * 2)
    centers = np.array([[50.0, 40.0], [49.5, 60.25]])
    points = predict_regions(Middle(), regions, "raw", centers, size_px=64)
    np.testing.assert_allclose(points[..., :2], centers[:, None].repeat(16, 1), atol=0.5)
    np.testing.assert_allclose(points[..., 2], 0.9)
    only = predict_regions(Middle(), regions, "raw", centers[1:], knees=[1], size_px=64)
    np.testing.assert_array_equal(only, points[1:])


def test_where_predictions_differ_nothing_is_learnt() -> None:
    predictions = np.zeros((2, 2, 16, 3))
    predictions[..., 2] = 0.8
    predictions[..., 0] = np.arange(16) * 10.0
    predictions[0, 0, 3, 0] += 10.0  # 3 mm apart: 1.5 mm about the mean
    predictions[:, 1, :9, 2] = 0.2
    points, used = combine_predictions(predictions)
    assert np.isnan(points[0, 3]).all() and np.isfinite(np.delete(points[0], 3, axis=0)).all()
    assert used.tolist() == [True, False]
