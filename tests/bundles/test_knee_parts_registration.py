"""The registration bundle run alone: every image of a folder gets its transform, crop and picture."""

import json
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from PIL import Image

from kneebundle.phantoms.pa import synthesize_knees
from kneebundle.registration.model import RegistrationModel, read_crop
from tests.bundles.bundle_runs import config, start


def test_every_image_of_a_folder_is_registered_and_the_others_listed(repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_parts_registration"
    synthesize_knees(tmp_path / "data", count=2, seed=1, size_mm=100.0, spacing_mm=0.6)
    (tmp_path / "data" / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    small = {"levels": 1, "stages": [[14, 3, 1]]}
    parser = ConfigParser({**config(bundle, "inference.json"), **small})
    torch.manual_seed(0)
    torch.save(parser.get_parsed_content("network_def").state_dict(), tmp_path / "model.pt")
    start(
        bundle,
        "evaluating",
        ["inference.json"],
        dataset_dir=str(tmp_path / "data"),
        output_dir=str(tmp_path / "out"),
        weights=str(tmp_path / "model.pt"),
        image_spacing_mm=0.6,
        **small,
    )
    results = sorted(p for p in (tmp_path / "out").glob("*.json"))
    assert len(results) == 2
    for result in results:
        document = json.loads(result.read_text())
        assert len(document["agreement"]) == 9 and np.array(document["matrix"]).shape == (2, 3)
        with Image.open(result.with_suffix(".png")) as crop:
            assert crop.size == (224, 224)
        assert (tmp_path / "out" / f"{result.stem}_before_after.png").is_file()
    assert "broken.png" in (tmp_path / "out" / "errors.csv").read_text()


def test_the_shipped_thresholds_tell_knees_from_what_is_none(repository: Path) -> None:
    model = RegistrationModel(repository / "bundles" / "knee_parts_registration", torch.device("cpu"))

    def prepared(path: str) -> torch.Tensor:
        crop = read_crop(repository / "samples" / path)
        return torch.as_tensor(model.prepare_image(crop.to_metatensor(), crop.side or "R"))

    knees = torch.stack([prepared("knees/knee_R_kl0.png"), prepared("knees/knee_R_kl2.png")])
    noise = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    others = [knees.flip(2), prepared("lateral/lateral_0.png")[None], noise, torch.zeros(1, 1, 224, 224)]
    assert model.find(torch.cat([knees, *others]))["registered"].tolist() == [True] * 2 + [False] * 5


def test_the_weights_hold_parts_and_no_picture(repository: Path) -> None:
    """Nine vectors and places, and the features' weights: nothing as large as a feature map of a radiograph."""
    bundle = repository / "bundles" / "knee_parts_registration"
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    own = {name: tuple(value.shape) for name, value in state.items() if not name.startswith("extractor.")}
    assert own == {
        "places": (9, 2),
        "vectors": (9, 192),
        "least_agreement": (),
        "highest_energy": (),
        "landmarks": (16, 2),
    }
    torch.testing.assert_close(state["vectors"].norm(dim=1), torch.ones(9))
    assert float(state["highest_energy"]) < 0 < float(state["least_agreement"])
