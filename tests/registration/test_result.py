"""The result of a registration: its transform in the frame of the image as stored, and the registered crop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from kneebundle.networks.similarity import similarity_matrix
from kneebundle.orientation import Orientation
from kneebundle.radiograph import Radiograph
from tests.registration.crops import THETA, picture, register_by_theta


def test_the_matrix_of_a_square_radiograph_is_that_of_theta() -> None:
    result = register_by_theta(Radiograph(picture(), (0.5, 0.5)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64))
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(result.theta, THETA, atol=1e-6)


def test_a_radiograph_that_is_no_square_gets_the_matrix_to_its_own_frame() -> None:
    result = register_by_theta(Radiograph(picture(30, 60), (0.5, 0.5)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64)) * torch.tensor([[1.0], [2.0]])
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)


def test_a_radiograph_that_was_turned_for_display_gets_the_matrix_to_the_stored_image() -> None:
    result = register_by_theta(Radiograph(picture(), (0.5, 0.5), orientation=Orientation(transpose=True)))
    expected = similarity_matrix(torch.tensor(THETA, dtype=torch.float64)).flip(0)
    np.testing.assert_allclose(result.matrix, expected.numpy(), atol=1e-6)


def test_a_mirrored_left_knee_gets_the_mirrored_result() -> None:
    right = Radiograph(picture(), (0.5, 0.5))
    left = replace(right, pixels=right.pixels[:, ::-1])
    first, second = register_by_theta(right, "R"), register_by_theta(left, "L")
    np.testing.assert_allclose(second.theta, np.array(THETA) * [1, -1, 1, -1], atol=1e-6)
    mirror = np.array([[1, -1, -1], [-1, 1, 1]])
    np.testing.assert_allclose(second.matrix, first.matrix * mirror, atol=1e-6)
    torch.testing.assert_close(second.after.as_tensor(), first.after.as_tensor().flip(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(second.before.as_tensor(), first.before.as_tensor().flip(-1), atol=1e-4, rtol=0)


def test_what_is_not_registered_passes_unchanged_and_is_flagged() -> None:
    result = register_by_theta(Radiograph(picture(), (0.5, 0.5)), "L", registered=False)
    torch.testing.assert_close(result.after.as_tensor(), result.before.as_tensor(), atol=1e-5, rtol=0)
    assert result.flagged
