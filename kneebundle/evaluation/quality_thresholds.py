"""Error rates of what decides whether a knee is measured, at several values of each threshold.

A pipeline that lets everything pass (:data:`NO_THRESHOLDS`) is run over radiographs whose knees are marked; its scores
are then held against each threshold alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kneebundle.evaluation.real_films import ON_THE_JOINT_MM, Case, Mark, Outcome, measure_distance
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.pipelines.film_content import TURNS, find_candidates, turn_radiograph
from kneebundle.pipelines.knee_check import KneeCheck
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.quality import DEFAULT_THRESHOLDS, Thresholds
from kneebundle.radiograph import Radiograph

__all__ = ["NO_THRESHOLDS", "ScoredKnee", "TurnedScores", "format_thresholds", "measure_turned", "score_outcomes"]

NO_THRESHOLDS = Thresholds(
    native=0.0,
    side=0.0,
    side_by_place=0.0,
    contradiction=np.inf,
    turned=np.inf,
    landmarks=0.0,
    shape=np.inf,
    residual_mm=np.inf,
    scale=(0.0, np.inf),
    turn_deg=np.inf,
    joint_mm=np.inf,
)
"""Those with which every place that is looked at counts as a knee."""

ON_THE_REPLACEMENT_MM = 45.0
"""How far the tibial centre may lie from the mark of a replaced knee, on which there is none to be found."""

Shown = Literal["native", "implant", "other part", "lateral", "beside"]
_WRONG: tuple[tuple[Shown, str], ...] = (
    ("implant", "implants passed"),
    ("other part", "other parts passed"),
    ("lateral", "laterals passed"),
    ("beside", "places beside the joint passed"),
)


@dataclass(frozen=True)
class ScoredKnee:
    """A place on a radiograph, what is there, and its scores.

    Attributes:
        case: the radiograph as it was given.
        shown: what is there; ``beside``: nothing, though the radiograph shows a knee elsewhere.
        side: of the marked knee; ``?`` where it is not known or there is none.
        taken: the side that the pipeline took; empty for a knee that it did not find.
        known_by_place: whether the side is known from another knee on the same radiograph.
        scores: of the pipeline, ``quality`` in the JSON; empty for a knee that it did not find.
    """

    case: Case
    shown: Shown
    side: str
    taken: str
    known_by_place: bool
    scores: Mapping[str, float]


@dataclass(frozen=True)
class TurnedScores:
    """Largest probability of a knee in a radiograph turned by a quarter or a half.

    Attributes:
        turned: (K,) of radiographs with a knee, which were turned before.
        without: (M,) of radiographs without a knee.
    """

    turned: np.ndarray
    without: np.ndarray


def score_outcomes(outcomes: Iterable[Outcome], marks: Sequence[Mark]) -> list[ScoredKnee]:
    """Say of each place that a pipeline with :data:`NO_THRESHOLDS` took for a knee what is there.

    Args:
        outcomes: of :func:`kneebundle.evaluation.run_cases`.
        marks: of :func:`kneebundle.evaluation.read_marks`; knees marked as odd are left out.
    """
    scored = []
    for outcome in outcomes:
        case = outcome.case
        known = [m for m in marks if m.image == case.image and m.kind != "ball" and _is_inside(m, case)]
        free = list(range(len(outcome.knees)))
        for mark in known:
            distances = {i: measure_distance(outcome.knees[i], mark, case) for i in free}
            near = min(distances, key=lambda i: distances[i], default=None)
            reach = ON_THE_REPLACEMENT_MM if mark.kind == "implant" else ON_THE_JOINT_MM
            if near is not None and distances[near] <= reach:
                free.remove(near)
                if mark.kind in ("native", "implant"):
                    scored.append(_score(outcome, near, mark.kind, mark.side))
            elif mark.kind == "native" and case.view == "auto":
                scored.append(ScoredKnee(case, "native", mark.side, "", False, {}))
        shown: Shown = "beside"
        if not known:
            shown = "lateral" if "laterals" in case.image else "other part"
        scored += [_score(outcome, i, shown, "?") for i in free]
    return scored


def _is_inside(mark: Mark, case: Case) -> bool:
    return case.box is None or (case.box[0] <= mark.x < case.box[2] and case.box[1] <= mark.y < case.box[3])


def _score(outcome: Outcome, number: int, shown: Shown, side: str) -> ScoredKnee:
    beside_another = len(outcome.knees) == 2
    return ScoredKnee(outcome.case, shown, side, outcome.knees[number].side, beside_another, outcome.quality[number])


def measure_turned(
    upright: Iterable[Radiograph], without: Iterable[Radiograph], roi: LandmarkModel | None, check: KneeCheck
) -> TurnedScores:
    """Measure what decides whether a radiograph counts as one that lies on its side or stands on its head.

    Args:
        upright: radiographs of knees; each is turned by a quarter or a half, in turns.
        without: radiographs without a knee.
        roi: stage 1.
        check: the knee check.
    """

    def score(radiograph: Radiograph) -> float:
        turned = (turn_radiograph(radiograph, quarters).to_metatensor() for quarters in TURNS)
        return max(find_candidates(image, roi, check)[0].region.knee for image in turned)

    quarters = list(TURNS)
    lying = [score(turn_radiograph(r, quarters[i % len(quarters)])) for i, r in enumerate(upright)]
    return TurnedScores(np.array(lying), np.array([score(radiograph) for radiograph in without]))


def format_thresholds(
    scored: Sequence[ScoredKnee], trained: Collection[str] = (), turned: TurnedScores | None = None
) -> str:
    """Format the error rates of each threshold at several values as Markdown, a table a threshold.

    Args:
        scored: of :func:`score_outcomes`.
        trained: images that the networks learnt from; a column is about the knees on the others.
        turned: of :func:`measure_turned`.
    """
    unseen = [knee for knee in scored if knee.case.image not in trained]
    parts = [_format_limit(limit, scored, unseen if trained else None) for limit in _LIMITS]
    parts += [_format_side(scored), _format_place(scored), _format_contradiction(scored)]
    if turned is not None:
        parts.append(_format_turned(turned))
    return "\n\n".join(parts)


def _scale_beyond(scores: Mapping[str, float]) -> float:
    """How many times too large or too small a knee is."""
    scale = scores["shape_scale"]
    return max(scale, 1 / scale)


@dataclass(frozen=True)
class _Limit:
    """A threshold on one score: its name, the values to count at, the score, and whether large ones pass."""

    name: str
    values: tuple[float, ...]
    score: Callable[[Mapping[str, float]], float]
    large_passes: bool = False

    def count(self, knees: Sequence[ScoredKnee], shown: Shown, value: float, passed: bool) -> str:
        """Count what passes, or does not; a knee without a score was not found, which is as not passing."""
        members = [knee.scores for knee in knees if knee.shown == shown]
        passing = sum(self._passes(scores, value) for scores in members)
        return _share(passing if passed else len(members) - passing, len(members))

    def _passes(self, scores: Mapping[str, float], value: float) -> bool:
        if "joint_mm" not in scores:
            return False
        return self.score(scores) >= value if self.large_passes else self.score(scores) <= value


_LIMITS = (
    _Limit("native", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), lambda s: s["native"], large_passes=True),
    _Limit("landmarks", (0.2, 0.3, 0.34, 0.38, 0.42, 0.46, 0.5), lambda s: s["landmarks"], large_passes=True),
    _Limit("shape", (1.5, 1.8, 2.1, 2.4, 2.7, 3.0), lambda s: s["shape_distance"]),
    _Limit("residual_mm", (1.0, 1.5, 2.0, 2.5, 3.0, 4.0), lambda s: s["shape_residual_mm"]),
    _Limit("scale, times", (1.2, 1.3, 1.4, 1.5, 1.6, 1.8), _scale_beyond),
    _Limit("turn_deg", (5, 10, 15, 20, 25), lambda s: abs(s["shape_turn_deg"])),
    _Limit("joint_mm", (3, 6, 9, 12, 15, 20), lambda s: s["joint_mm"]),
)


def _format_limit(limit: _Limit, scored: Sequence[ScoredKnee], unseen: Sequence[ScoredKnee] | None) -> str:
    header = [limit.name, "native knees not measured"]
    header += ["... not trained on"] if unseen is not None else []
    rows = []
    for value in limit.values:
        row = [_mark_default(limit.name, value), limit.count(scored, "native", value, passed=False)]
        row += [limit.count(unseen, "native", value, passed=False)] if unseen is not None else []
        rows.append([*row, *(limit.count(scored, shown, value, passed=True) for shown, _ in _WRONG)])
    return format_markdown([*header, *(title for _, title in _WRONG)], rows)


_SIDE_VALUES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


def _mark_default(name: str, value: float) -> str:
    default = getattr(DEFAULT_THRESHOLDS, name, None)
    return f"**{value:g}**" if default == value else f"{value:g}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} % ({count} of {total})" if total else "-"


def _natives(scored: Sequence[ScoredKnee]) -> list[ScoredKnee]:
    return [k for k in scored if k.shown == "native" and k.side in ("R", "L") and k.scores]


def _format_side(scored: Sequence[ScoredKnee]) -> str:
    alone = [k for k in _natives(scored) if not k.known_by_place and k.case.side is None]
    rows = []
    for value in _SIDE_VALUES:
        sure = [k for k in alone if k.scores["side"] >= value]
        wrong = sum(k.side != k.taken for k in sure)
        rows.append([_mark_default("side", value), _share(len(alone) - len(sure), len(alone)), f"{wrong}"])
    return format_markdown(["side", "native knees flagged", "wrong side without a flag"], rows)


def _format_place(scored: Sequence[ScoredKnee]) -> str:
    pairs = [k for k in _natives(scored) if k.known_by_place]
    rows = [
        [_mark_default("side_by_place", value), _share(sum(k.scores["side"] < value for k in pairs), len(pairs))]
        for value in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    return format_markdown(["side_by_place", "native knees flagged"], rows)


def _format_contradiction(scored: Sequence[ScoredKnee]) -> str:
    """A right statement is contradicted by the probability of the other side, a wrong one by that of the own."""
    own = np.array([k.scores["side"] if k.side == k.taken else 1 - k.scores["side"] for k in _natives(scored)])
    rows = []
    for value in _SIDE_VALUES:
        right, wrong = int((1 - own >= value).sum()), int((own >= value).sum())
        name = _mark_default("contradiction", value)
        rows.append([name, _share(right, len(own)), _share(wrong, len(own))])
    return format_markdown(["contradiction", "right statements contradicted", "wrong statements contradicted"], rows)


def _format_turned(turned: TurnedScores) -> str:
    rows = []
    for value in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98):
        missed, said = int((turned.turned < value).sum()), int((turned.without >= value).sum())
        name = _mark_default("turned", value)
        rows.append([name, _share(missed, len(turned.turned)), _share(said, len(turned.without))])
    return format_markdown(["turned", "turned knees not recognised", "other parts and laterals taken for one"], rows)
