"""KNEEL's Table 1: overlays that fit, rows that are done once, and what the table says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.settings import check_overrides
from kneebundle.training.ablation_report import PUBLISHED, format_ablations, order_rows, write_ablations
from kneebundle.training.ablations import FROM_STAGE_1, AblationRun, AblationStudy, list_ablations

CLASSICAL = {"aam_igo", "aam_lbp", "clm_igo", "clm_lbp"}


@pytest.fixture
def study(repository: Path, tmp_path: Path) -> AblationStudy:
    """One row on four phantoms, with a network of width 4."""
    bundles = repository / "bundles"
    return AblationStudy(
        bundles / "knee_landmark_localization",
        "",
        tmp_path / "study",
        ["robust"],
        folds=[0],
        training={
            "max_epochs": 1,
            "phantom_size": 4,
            "batch_size": 2,
            "network_def#width": 4,
            "precision": "float32",
        },
        start_bundle=bundles / "knee_roi_localization",
    )


@pytest.mark.parametrize("name", ["knee_landmark_localization", "knee_landmark_scn", "knee_surgical_planning"])
def test_overlays_have_only_keys_of_train_json(repository: Path, name: str) -> None:
    configs = repository / "bundles" / name / "configs"
    content = json.loads((configs / "train.json").read_text())
    overlays = sorted((configs / "ablations").glob("*.json"))
    assert overlays
    for overlay in overlays:
        changed = json.loads(overlay.read_text())
        check_overrides(changed, content)
        assert changed.pop("_desc_"), overlay.name
        assert not [key for key in changed if any(part.isdigit() for part in key.split("#"))], overlay.name


def test_every_row_of_the_paper_that_is_a_network_has_an_overlay(repository: Path) -> None:
    assert set(list_ablations(repository / "bundles" / "knee_landmark_localization")) == PUBLISHED.keys() - CLASSICAL


def test_a_row_that_there_is_not(study: AblationStudy) -> None:
    with pytest.raises(KneeBundleError, match="no row 'mixup_9'; there are bottleneck, cutout_10"):
        replace(study, rows=["wing", "mixup_9"])


def test_a_row_is_trained_once_and_settings_are_not_mixed(study: AblationStudy) -> None:
    said: list[str] = []
    first = study.complete(said.append)
    assert [line.split(":")[0] for line in said] == ["fold 0, robust"]
    assert first[0].errors[0].shape == (1, 16) and bool((first[0].errors[0] > 0).all())
    folder = study.output / "robust_fold0"
    assert not (folder / "model.pt").exists(), "it is not validated while it is trained"
    (folder / "model_last.pt").unlink()
    again = study.complete(said.append)
    assert len(said) == 1
    np.testing.assert_array_equal(again[0].errors[0], first[0].errors[0])
    with pytest.raises(KneeBundleError, match="other settings"):
        replace(study, training={**study.training, "max_epochs": 2}).complete()


@pytest.mark.slow
def test_the_last_row_starts_from_a_network_of_stage_1(study: AblationStudy) -> None:
    study = replace(study, rows=[FROM_STAGE_1])
    study.complete(lambda _: None)
    assert (study.output / "stage1_start_fold0" / "model_last.pt").is_file()
    with pytest.raises(KneeBundleError, match="needs the bundle knee_roi_localization"):
        replace(study, output=study.output.parent / "other", start_bundle=None).complete()


def test_the_table_has_means_and_deviations_over_folds_beside_the_papers_figures(tmp_path: Path) -> None:
    near, far = np.full((4, 16), 0.5), np.full((4, 16), 1.2)
    far[:, 1] = 11.0  # one outlier of 16, at a landmark that PCK does not count
    runs = [AblationRun("wing", {0: near, 1: far}, {0: 10.0, 1: 20.0}), AblationRun("rfrv", {0: near}, {})]
    rows = format_ablations(runs).splitlines()[2:]
    sd = np.std([100.0, 0.0], ddof=1)
    assert rows[0].startswith(f"| Wing loss | 2 | 50.00 ± {sd:.2f} | 100.00 ± 0.00 |")
    assert f"| {6.25 / 2:.2f} ± {np.std([0, 6.25], ddof=1):.2f} | 0.85 ± 0.49 | 15 |" in rows[0]
    assert rows[0].endswith("| 31.7 / 61.8 / 78.7 / 87.5 | 2.14 |")
    assert rows[1] == "| rfrv | 1 | 100.00 | 100.00 | 100.00 | 100.00 | 0.00 | 0.50 | - | - | - |"
    write_ablations(runs, tmp_path, curves=["wing"])
    header = (tmp_path / "table1_curves.csv").read_text().splitlines()[0]
    assert header == "radius_mm,Wing loss"
    assert len((tmp_path / "table1.csv").read_text().splitlines()) == 4


def test_a_knee_that_was_not_predicted_counts_as_a_failure() -> None:
    errors = np.full((2, 16), 0.5)
    errors[1] = np.inf
    (row,) = format_ablations([AblationRun("clm_igo", {0: errors}, {})]).splitlines()[2:]
    assert row.startswith("| CLM (IGO) | 1 | 50.00 | 50.00 | 50.00 | 50.00 | 50.00 | 0.50 |")


def test_rows_come_in_the_papers_order() -> None:
    assert order_rows(["zzz", "stage1", "l2", "clm_igo"]) == ["clm_igo", "l2", "stage1", "zzz"]
