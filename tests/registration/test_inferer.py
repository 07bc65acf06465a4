"""Registration of a batch: what is not registered is tried once more, equalised."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from kneebundle.registration.inferer import RegistrationInferer
from kneebundle.registration.optimiser import Registration

NETWORK: Any = SimpleNamespace(highest_energy=torch.tensor(-0.5), least_agreement=torch.tensor(0.2))


class Recorder(RegistrationInferer):
    """Gives the energies that are set for each look, and keeps the images."""

    def __init__(self, *energies: list[float], **settings: Any) -> None:
        super().__init__(**settings)
        self.energies = list(energies)
        self.seen: list[torch.Tensor] = []

    def register(self, images: torch.Tensor, network: Any) -> Registration:
        energy = torch.tensor(self.energies[len(self.seen)])
        self.seen.append(images)
        count, look = len(images), float(len(self.seen))
        theta, matrix = torch.full((count, 4), look), torch.full((count, 2, 3), look)
        return Registration(theta, matrix, energy, torch.full((count, 9), 0.3), torch.ones(count))


def make_images(count: int) -> torch.Tensor:
    return torch.linspace(-1.0, -0.6, count * 64 * 64).reshape(count, 1, 64, 64)


def test_images_that_are_not_registered_are_tried_equalised() -> None:
    inferer = Recorder([-1.0, 0.0, -0.1, -0.7], [-0.9, 0.0])
    images = make_images(4)
    found = inferer(images, NETWORK)
    assert found["registered"].tolist() == [True, True, False, True]
    torch.testing.assert_close(found["energy"], torch.tensor([-1.0, -0.9, -0.1, -0.7]))
    assert found["theta"][:, 0].tolist() == found["matrix"][:, 0, 0].tolist() == [1.0, 2.0, 1.0, 1.0]
    first, second = inferer.seen
    torch.testing.assert_close(first, images)
    assert second.shape == (2, 1, 64, 64) and second.dtype == images.dtype
    assert second.min() >= -1 and second.max() <= 1
    assert second.std() > 3 * images[1:3].std(), "more contrast than before"


def test_there_is_one_look_where_all_are_registered_or_no_other_is_wanted() -> None:
    for inferer in (Recorder([-1.0, -0.6]), Recorder([0.0, 0.0], equalizes=False)):
        inferer(make_images(2), NETWORK)
        assert len(inferer.seen) == 1


def test_blank_images_stay_as_they_are() -> None:
    inferer = Recorder([0.0], [0.0])
    found = inferer(torch.zeros(1, 1, 32, 32), NETWORK)
    assert not bool(found["registered"].any()) and bool(torch.isfinite(inferer.seen[1]).all())
