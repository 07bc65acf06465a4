"""Which weights a bundle predicts with."""

from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.bundle_networks import find_weights


def test_one_network_by_default_and_those_of_the_folds_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(KneeBundleError, match="no weights"):
        find_weights(tmp_path, ensemble=True)
    for name in ("model.pt", "model_fold1.pt", "model_fold0.pt"):
        (tmp_path / "models" / name).touch()
    assert [path.name for path in find_weights(tmp_path)] == ["model.pt"]
    assert [path.name for path in find_weights(tmp_path, ensemble=True)] == ["model_fold0.pt", "model_fold1.pt"]
    for fold in range(2):
        (tmp_path / "models" / f"model_fold{fold}.pt").unlink()
    assert [path.name for path in find_weights(tmp_path, ensemble=True)] == ["model.pt"]
