"""PartsNet: the heatmaps of equation 1, places that learn, and a state that holds no reference."""

import torch
from torch.nn import functional

from kneebundle.losses.part_selection import PartSelectionLoss
from kneebundle.networks.features import FeatureExtractor, HourglassFeatures
from kneebundle.networks.parts import PartsNet, grid_places, sample_maps
from kneebundle.networks.vgg_features import VGGFeatures


class Raw(FeatureExtractor):
    """Features that are functions of the grey value in the middle of a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.freeze()

    def describe(self, image: torch.Tensor, cells: int) -> torch.Tensor:
        grey = functional.adaptive_avg_pool2d(image, cells)
        return torch.cat([grey, 1 - grey, grey.square() + 0.1], dim=1)


def net(cells: int = 8, **kwargs: float) -> PartsNet:
    parts = PartsNet(Raw(), channels=3, cells=cells, **kwargs)  # type: ignore[arg-type]
    parts.set_reference(image(1))
    return parts


def image(seed: int, cells: int = 8) -> torch.Tensor:
    return torch.rand(1, 1, 8 * cells, 8 * cells, generator=torch.Generator().manual_seed(seed))


def test_the_grid_is_the_papers() -> None:
    expected = [[-0.5 + 0.5 * r, -0.5 + 0.5 * s] for s in range(3) for r in range(3)]
    torch.testing.assert_close(grid_places(), torch.tensor(expected))


def test_heatmaps_are_inner_products_with_the_interpolated_reference() -> None:
    parts = net()
    parts.places.data[4] = torch.tensor([0.125, -0.375])  # the centre of column 4, row 2
    parts.places.data[5] = torch.tensor([0.25, -0.375])  # midway between columns 4 and 5
    v, reference = parts.extractor(image(2), 8), parts.extractor(image(1), 8)
    h = parts(image(2))
    vectors = [reference[0, :, 2, 4], reference[0, :, 2, 4] + reference[0, :, 2, 5]]
    for number, vector in zip((4, 5), vectors, strict=True):
        vector = vector / vector.norm()
        for row in range(8):
            for column in range(8):
                inner = (v[0, :, row, column] * vector).sum()
                torch.testing.assert_close(h[0, number, row, column], inner.clamp_min(0))
    torch.testing.assert_close(net(sharpness=3.0)(image(2)), net()(image(2)) ** 3)


def test_a_part_is_seen_for_certain_where_it_was_taken() -> None:
    parts = net()
    h = parts(image(1))
    parts.places.data[0] = torch.tensor([-0.375, 0.625])
    h = parts(image(1))
    assert float(h[0, 0, 6, 2].detach()) > 0.9999
    assert float(h.detach().max()) <= 1 + 1e-5


def test_the_selection_is_differentiable_in_the_places() -> None:
    parts = net().double()
    parts.reference = parts.reference.double()
    features = parts.extractor(image(2).double(), 8).double()

    def objective(places: torch.Tensor) -> torch.Tensor:
        vectors = functional.normalize(sample_maps(parts.reference, places[None])[0].T, dim=1)
        return PartSelectionLoss(0.1)(torch.einsum("bchw,nc->bnhw", features, vectors))

    places = parts.places.detach() + 0.03
    assert torch.autograd.gradcheck(objective, (places.requires_grad_(),))
    PartSelectionLoss()(parts.heatmaps(features)).backward()
    assert parts.places.grad is not None and float(parts.places.grad.abs().max()) > 0


def test_places_stay_inside_the_reference() -> None:
    parts = net()
    parts.places.data[0] = torch.tensor([3.0, -3.0])
    parts(image(1))
    assert parts.places[0].tolist() == torch.tensor([0.95, -0.95]).tolist()


def test_the_state_holds_the_parts_and_not_the_reference() -> None:
    parts = net()
    state = parts.state_dict()
    assert set(state) == {"places", "vectors", "least_agreement", "highest_energy", "landmarks"}
    other = PartsNet(Raw(), channels=3, cells=8)
    other.load_state_dict(state)
    expected = parts(image(2))
    torch.testing.assert_close(other(image(2)), expected)
    parts.settle()
    assert parts.reference.numel() == 0
    torch.testing.assert_close(parts(image(2)), expected)


def test_is_scripted_once_settled() -> None:
    """What monai.bundle ckpt_export does; the paper's features and those of the bundle."""
    for features, channels in ((VGGFeatures(), 512), (HourglassFeatures(levels=2, width=4), 32)):
        parts = PartsNet(features, channels, cells=8, sharpness=3.0).eval()
        with torch.no_grad():
            parts.vectors.normal_()
            other_size = torch.rand(1, 1, 70, 60)
            torch.testing.assert_close(torch.jit.script(parts)(other_size), parts(other_size))
