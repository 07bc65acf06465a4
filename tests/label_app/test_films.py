"""What is known of a film comes from the request first, and nonsense is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.films import FilmFacts, film_file, in_server_words
from tests.label_app.points import write_film


def test_the_first_that_says_something_counts() -> None:
    facts = FilmFacts.of(
        {"view": "auto", "side": ""}, {"spacing_mm": "0.2", "side": "L", "subject_id": 7}, {"side": "R"}
    )
    assert facts == FilmFacts(0.2, "L", None, "7")
    assert facts.or_else(0.9).spacing_mm == 0.2
    assert FilmFacts().or_else(0.9).spacing_mm == 0.9


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
def test_nonsense_is_refused(known: dict[str, Any], reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        FilmFacts.of(known)


def test_a_folder_with_one_image_is_that_image(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.dcm")
    assert film_file(tmp_path) == film_file(film) == film
    assert FilmFacts().read(tmp_path).columns == 500
    write_film(tmp_path / "other.dcm", InstanceNumber=2)
    with pytest.raises(KneeBundleError, match="the folder has 2 images; give one film"):
        film_file(tmp_path)


def test_a_refusal_names_no_option_of_the_command_line(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.dcm", PixelSpacing=None, ImagerPixelSpacing=None)
    with pytest.raises(KneeBundleError) as refusal:
        FilmFacts().read(film)
    said = in_server_words(refusal.value.reason)
    assert said.endswith("give the size of a pixel with spacing_mm in the request or in the image's info")
    assert FilmFacts(spacing_mm=0.3).read(film).spacing_mm == (0.3, 0.3)
