"""The command writes an app and leaves alone what is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kneebundle.bundles import find_installed_bundle
from kneebundle.cli import main
from kneebundle.errors import KneeBundleError
from kneebundle.label_app.folder import MODELS, choose_models, write_app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("label") / "new" / "app"
    write_app(folder)
    return folder


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["label-app", *arguments])
    return int(stopped.value.code or 0)


def test_the_app_has_all_that_it_serves(app: Path) -> None:
    assert "kneebundle.label_app.app" in (app / "main.py").read_text()
    assert "127.0.0.1" in (app / "README.md").read_text()
    assert (app / "pydicom_seg" / "pyproject.toml").is_file()
    assert "fastapi" in (app / "requirements.txt").read_text()
    for bundle in (*MODELS, "knee_roi_localization", "knee_quality_check"):
        for part in ("configs/inference.json", "configs/train.json", "models/model.pt"):
            roots = (app / "model" / bundle, find_installed_bundle(bundle))
            copied, shipped = (hashlib.sha256((root / part).read_bytes()).digest() for root in roots)
            assert copied == shipped
    assert sorted(path.name for path in app.parent.iterdir()) == ["app"]


def test_an_app_is_brought_up_to_date_and_keeps_what_it_trained(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = app / "trained" / MODELS[0] / "20260101-000000" / "model.pt"
    trained.parent.mkdir(parents=True)
    trained.write_bytes(b"mine")
    (app / "model" / MODELS[0] / "models" / "model.pt").write_bytes(b"spoilt")
    (app / "README.md").unlink()

    assert call("-o", str(app)) == 2
    said = capsys.readouterr().err
    assert "overwriting brings it up to date" in said and "--overwrite" in said
    assert not (app / "README.md").exists()

    assert call("-o", str(app), "--overwrite") == 0
    assert trained.read_bytes() == b"mine"
    assert (app / "README.md").is_file()
    shipped = find_installed_bundle(MODELS[0]) / "models" / "model.pt"
    assert (app / "model" / MODELS[0] / "models" / "model.pt").read_bytes() == shipped.read_bytes()


def test_another_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    for options in ([], ["--overwrite"]):
        assert call("-o", str(tmp_path), *options) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "holds something else than this app; a new or empty one is needed" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_models_are_chosen_by_name() -> None:
    assert choose_models("all") == MODELS
    assert choose_models(" knee_surgical_planning ,knee_surgical_planning") == ["knee_surgical_planning"]
    with pytest.raises(
        KneeBundleError, match="there is no model 'hand'; knee_landmark_localization, .* or all is needed"
    ):
        choose_models("knee_landmark_localization,hand")
