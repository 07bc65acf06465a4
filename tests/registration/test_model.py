"""The registration bundle: what it needs, and reading of crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kneebundle.cli import ADVICE
from kneebundle.errors import KneeBundleError
from kneebundle.registration.model import RegistrationModel, read_crop
from kneebundle.registration.optimiser import Stage
from tests.registration.crops import picture


def test_a_wrong_model_says_so(repository: Path, tmp_path: Path) -> None:
    root = repository / "bundles" / "knee_parts_registration"
    with pytest.raises(KneeBundleError) as raised:
        RegistrationModel(root, torch.device("cpu"), "ncc")
    assert raised.value.advised(ADVICE).endswith("with --reference")
    with pytest.raises(KneeBundleError, match=r"inference\.json"):
        RegistrationModel(tmp_path, torch.device("cpu"))
    with pytest.raises(KneeBundleError, match=r"no bundle is in this folder"):
        RegistrationModel.from_bundles(tmp_path)
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(KneeBundleError, match="do not fit"):
        RegistrationModel(root, torch.device("cpu"), weights=tmp_path / "other.pt")


def test_a_crop_needs_no_spacing(tmp_path: Path) -> None:
    Image.fromarray(np.uint8(picture())).save(tmp_path / "a.png")
    assert read_crop(tmp_path / "a.png").spacing_mm == (1.0, 1.0)


def test_a_knee_is_registered_onto_one_that_is_given_by_cross_correlation(repository: Path, tmp_path: Path) -> None:
    root = repository / "bundles" / "knee_parts_registration"
    Image.fromarray(np.uint8(picture(120, 120))).save(tmp_path / "a.png")
    reference = read_crop(tmp_path / "a.png", "L")
    with pytest.raises(KneeBundleError, match="a registration's loss is one of parts, ncc, got 'mse'") as raised:
        RegistrationModel(root, torch.device("cpu"), "mse")
    assert raised.value.field == "loss"
    model = RegistrationModel(root, torch.device("cpu"), "ncc", reference)
    model.inferer.stages = [Stage(14, 4, 1)]
    assert model.predict_batch([]) == []
    (found,) = model.predict_batch([reference])
    assert found.side == "L"
    assert found.theta == pytest.approx((1.0, 0.0, 0.0, 0.0), abs=0.05)
    with pytest.raises(KneeBundleError, match="the landmarks of this reference are not known"):
        model.find_joint_centers([])


def test_where_there_is_no_radiograph_there_is_no_joint(repository: Path) -> None:
    model = RegistrationModel(repository / "bundles" / "knee_parts_registration", torch.device("cpu"))
    assert model.find_joint_centers([]) == []
