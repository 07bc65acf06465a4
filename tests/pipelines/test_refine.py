"""Registration between the stages: where the first region is cut, and what happens where nothing registers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.bundles import find_installed_bundle
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.registration.model import RegistrationModel
from tests.pipelines.content_fakes import LEFT, RIGHT
from tests.pipelines.test_knee_pa import FakeModel, film, make_pipeline


class FakeRegistration:
    """Puts the joint of right knees at a fixed place, and does not register left ones."""

    def find_joint_centers(self, items: Sequence[dict[str, Any]]) -> list[np.ndarray | None]:
        return [np.array([90.0, 130.0]) if item["side"] == "R" else None for item in items]


def test_the_first_region_is_cut_where_the_registration_puts_the_joint() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)])
    landmarks = FakeModel()
    knees = ((100.0, 140.0, RIGHT), (310.0, 160.0, LEFT))
    make_pipeline(*knees, landmarks=landmarks, refine=FakeRegistration()).predict(radiograph)
    first = landmarks.asked[0]
    assert first[0]["center_mm"] == pytest.approx([90.0, 130.0])
    assert first[1]["center_mm"] == pytest.approx([310, 160], abs=0.3), "left as stage 1 had it"


def test_the_shipped_parts_find_the_joint_of_a_drawn_knee_from_a_rough_centre() -> None:
    radiograph, landmarks = draw_knee(np.random.default_rng(5), side="L")
    joint = landmarks.to_mm(radiograph.spacing_mm).points[4]
    model = RegistrationModel(find_installed_bundle("knee_parts_registration"), torch.device("cpu"))
    item = {"image": radiograph.to_metatensor(), "center_mm": joint + [9.0, -7.0], "side": "L"}
    (found,) = model.find_joint_centers([item])
    assert found is not None
    assert float(np.linalg.norm(found - joint)) < 6.0
    assert model.find_joint_centers([]) == []
