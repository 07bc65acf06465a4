"""Error against training set size: what is trained, that a run is not done twice, that settings are not mixed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.training.size_study import SizeRun, SizeStudy
from kneebundle.training.size_study_report import format_size_study, write_size_study


@pytest.fixture
def study(repository: Path, tmp_path: Path) -> SizeStudy:
    """One training of the baseline on one of four phantoms."""
    return SizeStudy(
        repository / "bundles" / "knee_landmark_scn",
        "",
        tmp_path / "study",
        architectures=("unet",),
        sizes=(1,),
        network={"spacing_mm": 2.1875, "features": 4},
        training={"max_epochs": 1, "phantom_size": 4, "batch_size": 2},
    )


def test_a_run_makes_as_many_steps_as_with_all_knees_and_is_done_once(study: SizeStudy) -> None:
    first = study.complete()
    folder = study.output / "unet_1_seed0"
    checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert checkpoint["trainer"]["iteration"] == 2, "four images in minibatches of two, though they are one knee"
    assert [(run.architecture, run.knees) for run in first] == [("unet", 1)]
    assert first[0].errors.shape == (1, 16)
    assert bool((first[0].errors > 0).all())
    (folder / "model_last.pt").unlink()
    again = study.complete()
    np.testing.assert_allclose(again[0].errors, first[0].errors)
    with pytest.raises(KneeBundleError, match="other settings"):
        replace(study, training={**study.training, "max_epochs": 2}).complete()


def test_an_architecture_may_have_an_overlay_of_its_own(study: SizeStudy) -> None:
    assert [file.name for file in study._find_overlays("unet")] == ["sizes.json", "sizes_unet.json"]
    assert [file.name for file in study._find_overlays("scn")] == ["sizes.json"]
    settings = study._read_network_settings("unet")
    assert settings["networks#unet#norm"] == "batch", "or its weights would be evaluated without"
    assert settings["features"] == 4 and "learning_rate" not in settings, "the study's own value"
    assert "networks#unet#norm" not in study._read_network_settings("scn")


def test_an_architecture_that_there_is_not(study: SizeStudy) -> None:
    with pytest.raises(KneeBundleError, match="no architecture 'resnet'; there are scn, unet"):
        replace(study, architectures=("unet", "resnet"))


def test_the_table_says_how_far_off_and_how_often(tmp_path: Path) -> None:
    errors = np.full((10, 16), 1.0)
    errors[:, 0] = 5.0
    errors[0, 1] = 20.0
    runs = [SizeRun("scn", 400, errors / 2), SizeRun("scn", 10, errors), SizeRun("unet", 10, errors * 2)]
    rows = format_size_study(runs).splitlines()[2:]
    mean = (10 * 5.0 + 20.0 + 149) / 160
    assert rows[0] == f"| 10 | scn | 1 | {mean:.2f} | 1.00 | 5.00 | 6.88 | 6.88 | 0.62 |"
    assert rows[1].startswith(f"| 10 | unet | 1 | {2 * mean:.2f} | 2.00 | 10.00 |")
    assert rows[2].startswith("| 400 | scn |")
    write_size_study(runs, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "sizes.csv",
        "sizes.md",
        "sizes.png",
        "curves.csv",
        "curves.png",
    }


def test_seeds_share_a_row_with_their_mean_and_standard_deviation() -> None:
    runs = [SizeRun("scn", 10, np.full((2, 16), error), seed) for seed, error in enumerate((1.0, 2.0, 6.0))]
    (row,) = format_size_study(runs).splitlines()[2:]
    assert row.startswith("| 10 | scn | 3 | 3.00 ± 2.65 |")
