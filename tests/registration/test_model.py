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
