"""Documents with landmarks at random places, and what of them a format can carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from kneebundle.exchange import LATERAL_NAMES, ImageFacts, Mark, list_marks, make_document, read_facts
from kneebundle.landmarks import KNEE_PA

_NAMES = st.text(
    st.characters(whitelist_categories=("L", "N"), whitelist_characters=" _-.,;'()äß漢"), min_size=1, max_size=9
)
_SPACINGS = st.integers(50, 9999).map(lambda value: value / 10000)


@st.composite
def images(draw: Any, view: str | None = None) -> ImageFacts:
    """An image of any size, with pixels that need not be square and a name in any script."""
    folder = draw(st.sampled_from(["", "visit 1/", "/data/Ünïcode/"]))
    return ImageFacts(
        path=f"{folder}{draw(_NAMES).strip()}x.png",
        rows=draw(st.integers(40, 4001)),
        columns=draw(st.integers(40, 4001)),
        spacing_mm=(draw(_SPACINGS), draw(_SPACINGS)),
        spacing_source=draw(st.sampled_from(["PixelSpacing", "argument", "table"])),
        view=view,
        sop_instance_uid=draw(st.sampled_from([None, "1.2.826.0.1.3680043.8.498.7"])),
    )


@st.composite
def marks(draw: Any, side: str | None, names: tuple[str, ...], size: tuple[int, int], decimals: int) -> list[Mark]:
    """Some points of one knee, at fractions of a pixel."""
    scale = 10**decimals
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    rows, columns = size

    def place(length: int) -> float:
        return float(draw(st.integers(0, (length - 1) * scale)) / scale)

    fractions = st.one_of(st.none(), st.integers(1, 1000).map(lambda value: value / 1000))
    return [
        Mark(side, name, place(columns), place(rows), draw(fractions), draw(fractions))
        for name in sorted(chosen, key=names.index)
    ]


@st.composite
def documents(
    draw: Any, lateral: bool | None = None, facts: ImageFacts | None = None, decimals: int = 3
) -> dict[str, Any]:
    """The document of a radiograph: of the right knee, the left one or both, or a lateral one."""
    is_lateral = draw(st.booleans()) if lateral is None else lateral
    known = facts or draw(images("lateral" if is_lateral else None))
    size = (known.rows or 0, known.columns or 0)
    if is_lateral:
        found = draw(marks(draw(st.sampled_from(["R", "L", None])), LATERAL_NAMES, size, decimals))
    else:
        sides = draw(st.sampled_from(["R", "L", "RL"]))
        found = [mark for side in sides for mark in draw(marks(side, KNEE_PA.names, size, decimals))]
    return make_document(known, found)


def distinct(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents without those of an image that is there already."""
    return list({document["image"]["path"]: document for document in found}.values())


def carried(document: dict[str, Any], numbers: bool = True, facts: bool = True) -> tuple[Any, ...]:
    """What is to come back: the points, with confidence and radius or without, and what is known of the image."""
    points = list_marks(document)
    if not numbers:
        points = [replace(mark, confidence=None, radius_mm=None) for mark in points]
    return points, read_facts(document) if facts else document["image"]["path"]
