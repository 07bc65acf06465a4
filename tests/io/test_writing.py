from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.io.writing import write_whole


def test_the_file_takes_its_place_only_when_the_block_is_done(tmp_path: Path) -> None:
    target = tmp_path / "result.nii.gz"
    with write_whole(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "result.csv"
    target.write_text("old")
    with pytest.raises(error), write_whole(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
