"""What is known of an image comes from the request first, and nonsense is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.image_facts import ADVICE, ImageFacts, find_image_file
from tests.label_app.points import write_film


def test_the_first_that_says_something_counts() -> None:
    facts = ImageFacts.from_mappings(
        {"view": "auto", "side": ""}, {"spacing_mm": "0.2", "side": "L", "subject_id": 7}, {"side": "R"}
    )
    assert facts == ImageFacts(0.2, "L", None, "7")
    assert facts.or_else(0.9).spacing_mm == 0.2
    assert ImageFacts().or_else(0.9).spacing_mm == 0.9


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"spacing_mm": "fine"}, "spacing_mm is 'fine'"),
        ({"spacing_mm": -1}, "spacing_mm is -1"),
        ({"spacing_mm": float("nan")}, "spacing_mm is nan"),
        ({"side": "both"}, "side is 'both'; one of R, L"),
        ({"view": "skyline"}, "view is 'skyline'; one of pa-bilateral"),
    ],
)
def test_nonsense_is_an_error(known: dict[str, Any], reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        ImageFacts.from_mappings(known)


def test_a_folder_with_one_image_is_that_image(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.dcm")
    assert find_image_file(tmp_path) == find_image_file(film) == film
    assert ImageFacts().read(tmp_path).columns == 500
    write_film(tmp_path / "other.dcm", InstanceNumber=2)
    with pytest.raises(KneeBundleError, match="the folder has 2 images; one radiograph is needed"):
        find_image_file(tmp_path)


def test_an_error_says_what_a_client_does_about_it(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.dcm", PixelSpacing=None, ImagerPixelSpacing=None)
    with pytest.raises(KneeBundleError) as raised:
        ImageFacts().read(film)
    said = raised.value.advised(ADVICE)
    assert said.endswith("the size of a pixel in mm is needed; give spacing_mm in the request or in the image's info")
    assert ImageFacts(spacing_mm=0.3).read(film).spacing_mm == (0.3, 0.3)
