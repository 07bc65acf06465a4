"""What the knee check learns from: windows of 128 mm around knees, replaced knees and everything that is no knee.

Classes: 0 a native knee whose lateral side is on the image's left (a right knee as displayed), 1 one whose lateral side
is on the right, 2 a knee replacement, 3 no knee from the front. With each window goes where the joint lies in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.training.film_windows import (
    TrainingFilm,
    TrainingKnee,
    change_looks,
    cut_window,
    normalize_window,
    to_window,
)

__all__ = ["CHECK_SIZE", "NATIVE_L", "NATIVE_R", "NOT_A_KNEE", "REPLACED", "CheckSample", "KneeCheckSampler"]

CHECK_SIZE = (128, 128)
NATIVE_R, NATIVE_L, REPLACED, NOT_A_KNEE = 0, 1, 2, 3
UNKNOWN_SIDE = -1


class CheckSample(NamedTuple):
    """One window.

    Attributes:
        image: (128, 128) in [-1, 1].
        label: the class; -1 for a native knee of unknown side.
        offset: (2,) joint minus middle in halves of the window; NaN where it is not known.
    """

    image: torch.Tensor
    label: int
    offset: np.ndarray


class KneeCheckSampler:
    """Draws windows; the same generator state gives the same window.

    Args:
        native: lists of films with native knees, and how often each list is drawn from.
        replaced: the same for films with replaced knees.
        others: films without a knee.
        scale: largest factor by which a knee is shown too large or too small, because a spacing may be guessed.
    """

    def __init__(
        self,
        native: Sequence[tuple[Sequence[TrainingFilm], float]],
        replaced: Sequence[tuple[Sequence[TrainingFilm], float]],
        others: Sequence[TrainingFilm],
        scale: float = 1.7,
    ) -> None:
        self.native = [(_knees(films, ("native", "rough")), weight) for films, weight in native]
        self.replaced = [(_knees(films, ("implant",)), weight) for films, weight in replaced]
        self.films = [film for films, _ in native for film in films if min(film.pixels.shape) > 150]
        self.others = others
        self.scale = float(np.log(scale))

    def draw(self, rng: np.random.Generator) -> CheckSample:
        """Draw a window: the classes have the shares 0.42 native, 0.22 replaced, 0.36 no knee."""
        what = rng.random()
        if what < 0.64:
            return self._knee(rng, self.native if what < 0.42 else self.replaced)
        return self._no_knee(rng)

    def _pick(self, rng: np.random.Generator, pools: Sequence) -> tuple[TrainingFilm, TrainingKnee]:
        pools = [(pool, weight) for pool, weight in pools if pool]
        if not pools:
            raise KneeBundleError("there are no native knees, or no replaced ones, to learn from; add some")
        weights = np.array([weight for _, weight in pools])
        pool = pools[int(rng.choice(len(pools), p=weights / weights.sum()))][0]
        film, knee = pool[int(rng.integers(len(pool)))]
        return film, knee

    def _knee(self, rng: np.random.Generator, pools: Sequence) -> CheckSample:
        film, knee = self._pick(rng, pools)
        angle = float(np.clip(rng.normal(0, 6), -18, 18))
        scale = float(np.exp(np.clip(rng.normal(0, self.scale / 2), -self.scale, self.scale)))
        center = knee.joint + np.clip(rng.normal(0, 6, 2), -14, 14)
        window = _frame(cut_window(film.pixels, center, CHECK_SIZE, angle, scale), rng)
        joint = to_window(knee.joint[None], center, CHECK_SIZE, angle, scale)[0]
        offset = (joint - 63.5) / 64
        if knee.kind == "rough":
            offset = np.full(2, np.nan)
        label = REPLACED if knee.kind == "implant" else {"R": NATIVE_R, "L": NATIVE_L}.get(knee.side, UNKNOWN_SIDE)
        return _finish(window, label, offset, rng)

    def _no_knee(self, rng: np.random.Generator) -> CheckSample:
        what = rng.random()
        if what < 0.25:
            window = self._turned(rng)
        elif what < 0.5 and self.films:
            window = self._beside(rng)
        elif what < 0.64:
            window = self._broken(rng)
        else:
            film = self.others[int(rng.integers(len(self.others)))]
            size = np.array(film.pixels.shape[::-1])
            center = size / 2 + rng.uniform(-0.45, 0.45, 2) * np.maximum(size - 50, 20)
            window = cut_window(film.pixels, center, CHECK_SIZE, _any_angle(rng), float(np.exp(rng.uniform(-0.7, 1.1))))
            window = _frame(window, rng)
        return _finish(window, NOT_A_KNEE, np.full(2, np.nan), rng)

    def _turned(self, rng: np.random.Generator) -> torch.Tensor:
        """Knees that lie, stand on their head, or are far too large or too small."""
        film, knee = self._pick(rng, self.native if rng.random() < 0.7 else self.replaced)
        angle, scale = float(rng.normal(0, 6)), float(np.exp(rng.normal(0, 0.15)))
        if rng.random() < 0.7:
            angle = float(rng.choice([90, 180, 180, 270]) + rng.normal(0, 12))
        else:
            scale = float(rng.choice([rng.uniform(0.2, 0.42), rng.uniform(2.6, 4.5)]))
        return _frame(cut_window(film.pixels, knee.joint + rng.normal(0, 8, 2), CHECK_SIZE, angle, scale), rng)

    def _beside(self, rng: np.random.Generator) -> torch.Tensor:
        """Shafts, air, marks and half joints: anywhere on a film at least 40 mm from its joints."""
        for _ in range(20):
            film = self.films[int(rng.integers(len(self.films)))]
            if rng.random() < 0.4 and film.knees:
                knee = film.knees[int(rng.integers(len(film.knees)))]
                a = rng.uniform(0, 2 * np.pi)
                center = knee.joint + rng.uniform(42, 85) * np.array([np.cos(a), np.sin(a)])
            else:
                center = rng.uniform(0, 1, 2) * np.array(film.pixels.shape[::-1])
            if all(np.linalg.norm(k.joint - center) > 40 for k in film.knees):
                break
        return _frame(
            cut_window(film.pixels, center, CHECK_SIZE, float(rng.normal(0, 8)), float(np.exp(rng.normal(0, 0.2)))), rng
        )

    def _broken(self, rng: np.random.Generator) -> torch.Tensor:
        """What looks like bone but is put together wrongly: halves exchanged, patches shuffled, noise, discs."""
        film, knee = self._pick(rng, self.native)
        window = cut_window(
            film.pixels,
            knee.joint + rng.normal(0, 5, 2),
            CHECK_SIZE,
            float(rng.normal(0, 6)),
            float(np.exp(rng.normal(0, 0.2))),
        )
        what = int(rng.integers(6))
        if what == 0:  # two thighs or two shanks meet
            upper = window[:64] if rng.random() < 0.5 else window[64:].flip(0)
            return torch.cat([upper, upper.flip(0)])
        if what == 1:  # shank above, thigh below
            return torch.cat([window[64:], window[:64]]) if rng.random() < 0.5 else window.flip(0)
        if what == 2:
            n = int(rng.choice([2, 4]))
            side = 128 // n
            parts = [window[r : r + side, c : c + side] for r in range(0, 128, side) for c in range(0, 128, side)]
            order = rng.permutation(len(parts))
            return torch.cat([torch.cat([parts[i] for i in order[r * n : r * n + n]], dim=1) for r in range(n)])
        if what == 3:  # shafts only, stretched
            row = window[10:20] if rng.random() < 0.5 else window[108:118]
            return torch.nn.functional.interpolate(row[None, None], (128, 128), mode="bilinear")[0, 0]
        y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
        noise = torch.from_numpy(
            rng.standard_normal((1, 1, int(rng.integers(3, 60)), int(rng.integers(3, 60))), dtype=np.float32)
        )
        out = torch.nn.functional.interpolate(noise, (128, 128), mode="bilinear")[0, 0] * rng.uniform(0, 0.3)
        for _ in range(int(rng.integers(0, 5))):
            cx, cy, r = rng.uniform(0, 128), rng.uniform(0, 128), rng.uniform(4, 40)
            out = torch.where(
                (x - cx) ** 2 + (y - cy) ** 2 < r * r, torch.tensor(rng.uniform(0.2, 2.0), dtype=torch.float32), out
            )
        for _ in range(int(rng.integers(0, 4))):
            a, c, w = rng.uniform(0, np.pi), rng.uniform(-60, 60), rng.uniform(1, 14)
            out = out + (((x - 64) * np.cos(a) + (y - 64) * np.sin(a) - c).abs() < w) * rng.uniform(0.2, 1.5)
        return out


def _knees(films: Sequence[TrainingFilm], kinds: tuple[str, ...]) -> list[tuple[TrainingFilm, TrainingKnee]]:
    return [(film, knee) for film in films for knee in film.knees if knee.kind in kinds]


def _any_angle(rng: np.random.Generator) -> float:
    return float(rng.uniform(0, 360)) if rng.random() < 0.5 else float(rng.normal(0, 8))


def _frame(window: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Now and then only a rectangle of the window is film, as with crops."""
    if rng.random() > 0.3:
        return window
    out = torch.full_like(window, torch.nan)
    left, top, right, bottom = (int(v) for v in rng.uniform(0, 26, 4) * (rng.random(4) < 0.7))
    out[top : 128 - bottom, left : 128 - right] = window[top : 128 - bottom, left : 128 - right]
    return out


def _finish(window: torch.Tensor, label: int, offset: np.ndarray, rng: np.random.Generator) -> CheckSample:
    image = normalize_window(window, 1.0, 99.0 if rng.random() < 0.7 else rng.uniform(95, 99.8))
    image = change_looks(image, rng)
    if rng.random() < 0.5:
        image, offset = image.flip(-1), offset * np.array([-1, 1])
        label = {NATIVE_R: NATIVE_L, NATIVE_L: NATIVE_R}.get(label, label)
    return CheckSample(image, label, offset)
