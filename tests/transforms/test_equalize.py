"""Both looks of a region: more contrast in the bone, whatever the exposure, in mm, with the outside left out."""

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.transforms.equalize import EqualizeRegiond, RandEqualizeRegiond, equalize_region


def _ramp(size: int = 200) -> torch.Tensor:
    """Bone-like texture of low contrast on a slope."""
    rng = np.random.default_rng(0)
    slope = np.linspace(100, 200, size)[None, :].repeat(size, 0)
    return torch.from_numpy((slope + rng.normal(0, 1, (size, size))).astype(np.float32))[None]


def test_local_contrast_rises_and_the_range_is_that_of_a_picture() -> None:
    image = _ramp()
    equal = equalize_region(image)
    assert equal.min() >= 0 and equal.max() <= 1 and equal.dtype == torch.float32
    before = (image / 100)[0, 80:120, 80:120].diff(dim=0).std()
    assert equal[0, 80:120, 80:120].diff(dim=0).std() > 2 * before


def test_exposure_does_not_matter() -> None:
    image = _ramp()
    np.testing.assert_allclose(equalize_region(image), equalize_region(image * 17 + 1000), atol=0.03)


def test_outside_stays_nan_and_does_not_count() -> None:
    image = _ramp()
    framed = torch.full((1, 300, 260), float("nan"))
    framed[:, 40:240, 30:230] = image
    equal = equalize_region(framed)
    assert torch.isfinite(equal).sum() == 200 * 200
    np.testing.assert_allclose(equal[:, 40:240, 30:230], equalize_region(image), atol=1e-6)


def test_flat_and_empty_regions_pass() -> None:
    assert (equalize_region(torch.full((1, 64, 64), 3.0)) == 0).all()
    assert equalize_region(torch.full((1, 64, 64), float("nan"))).isnan().all()


def test_a_lead_marker_does_not_darken_the_bone() -> None:
    marked = _ramp()
    marked[:, :6, :6] = 4000.0
    np.testing.assert_allclose(
        equalize_region(marked)[:, 100:, 100:], equalize_region(_ramp())[:, 100:, 100:], atol=0.05
    )


def test_dictionary_version_keeps_the_affine_and_the_millimetres() -> None:
    image = MetaTensor(_ramp(), affine=torch.diag(torch.tensor([0.3, 0.3, 1.0, 1.0], dtype=torch.float64)))
    out = EqualizeRegiond("image", spacing_mm=0.3)({"image": image})["image"]
    assert torch.equal(out.affine, image.affine)
    fine = EqualizeRegiond("image", spacing_mm=0.6, neighborhood_mm=24.6)({"image": image})["image"]
    np.testing.assert_allclose(fine.as_tensor(), out.as_tensor(), atol=1e-6)


def test_in_training_all_keys_are_equalised_or_none() -> None:
    image = _ramp(120)
    image = (image - image.min()) / (image.max() - image.min()) * 2 - 1
    image[:, :20] = float("nan")
    step: Any = RandEqualizeRegiond(["image", "surroundings"], prob=0.5).set_random_state(1)
    changed = []
    for _ in range(12):
        out = step({"image": image, "surroundings": image.clone()})
        torch.testing.assert_close(out["image"], out["surroundings"], equal_nan=True)
        assert bool((out["image"].isnan() == image.isnan()).all())
        assert float(out["image"][:, 20:].abs().max()) == 1.0
        changed.append(not torch.equal(out["image"][:, 20:], image[:, 20:]))
    assert 0 < sum(changed) < 12
