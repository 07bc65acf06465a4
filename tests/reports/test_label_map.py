"""The bones as a label map on the film's own pixels."""

from __future__ import annotations

from pathlib import Path

import itk
import numpy as np
import pytest

from kneebundle.reports.label_map import write_label_map
from tests.reports.lateral_results import lateral_result, write_source


@pytest.mark.parametrize("orientation", [None, ["P", "F"]], ids=["as stored", "turned"])
def test_bones_lie_on_the_stored_film_where_itk_puts_it(tmp_path: Path, orientation: list[str] | None) -> None:
    source = write_source(tmp_path / "lateral.dcm", orientation)
    result = lateral_result(source)
    write_label_map(result, source, tmp_path / "bones.nrrd")
    label_map, film = itk.imread(str(tmp_path / "bones.nrrd")), itk.imread(str(source))
    values = itk.array_from_image(label_map)[0]
    turn = result.radiograph.orientation
    assert values.shape == (60, 40)
    np.testing.assert_array_equal(values == 3, turn.undo(result.masks["tibia"]))
    np.testing.assert_array_equal(values == 1, turn.undo(result.masks["femur"] & ~result.masks["tibia"]))
    assert set(np.unique(values)) == {0, 1, 3}
    for index in ([0, 0], [39, 59]):
        here, there = (np.array(image.TransformIndexToPhysicalPoint([*index, 0])) for image in (label_map, film))
        np.testing.assert_allclose(here, there)
