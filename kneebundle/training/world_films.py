"""Radiographs of all kinds made of single knees, at 1 mm, for what has to know the whole world of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.collection import Phantoms
from kneebundle.phantoms.pa.bilateral import KneeImage
from kneebundle.phantoms.pa.world import make_world_film
from kneebundle.training.film_windows import TrainingFilm, TrainingKnee
from kneebundle.training.made_films import KneeImages

__all__ = ["WorldFilms"]


class WorldFilms(Phantoms[TrainingFilm]):
    """Films of :func:`kneebundle.phantoms.pa.make_world_film`, drawn when they are first asked for, and then kept.

    A thousand of them take 200 MB and a minute.

    Args:
        sets: single knees, each set for itself, such as crops before and after equalisation.
        shares: of the knees that come from each set; None: of all sets alike.
        count: number of films.
        seed: another seed, other films.
        replaced: chance that a knee is replaced.

    Raises:
        KneeBundleError: if there are no knees, or not as many shares as sets.
    """

    def __init__(
        self,
        sets: Sequence[KneeImages],
        count: int,
        seed: int = 0,
        shares: Sequence[float] | None = None,
        replaced: float = 0.22,
    ) -> None:
        super().__init__(count, seed)
        weights = np.ones(len(sets)) if shares is None else np.asarray(shares, dtype=np.float64)
        if len(weights) != len(sets) or not weights.sum() > 0:
            raise KneeBundleError(f"{len(weights)} shares for {len(sets)} data sets; give one share above 0 for each")
        self.sets, self.shares, self.replaced = sets, weights / weights.sum(), replaced
        sides = [np.asarray(knees.sides) for knees in sets]
        self._of_side = {side: [np.flatnonzero(s == side) for s in sides] for side in ("R", "L")}
        for side, found in self._of_side.items():
            if not all(len(numbers) for numbers in found):
                raise KneeBundleError(f"a data set has no knee of the side {side}; knees of both sides are needed")
        self._kept: dict[int, TrainingFilm] = {}

    def draw(self, index: int, rng: np.random.Generator) -> TrainingFilm:
        """Draw a film of one knee or two."""
        if index not in self._kept:
            chosen = "RL" if rng.random() < 0.5 else "RL"[int(rng.integers(2))]
            right, left = (self._pick(side, rng) if side in chosen else None for side in ("R", "L"))
            film = make_world_film(right, left, rng, replaced=self.replaced)
            knees = (TrainingKnee(k.side, k.kind, k.landmarks_px.astype(np.float32)) for k in film.knees)
            self._kept[index] = TrainingFilm((film.pixels * 254 + 1).clip(1, 255).astype(np.uint8), tuple(knees))
        return self._kept[index]

    def _pick(self, side: str, rng: np.random.Generator) -> KneeImage:
        of_set = int(rng.choice(len(self.sets), p=self.shares))
        knee: KneeImage = self.sets[of_set][int(rng.choice(self._of_side[side][of_set]))]
        return knee
