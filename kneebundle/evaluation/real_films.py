"""What a pipeline does with real radiographs: a table of what was right, wrong and skipped, and sheets to look at.

The radiographs are not part of the project. Their truth (which knees are native or replaced, roughly where the joints
are) comes from a table of marks that lies beside them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import read_table, write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.radiograph import Radiograph, Side
from kneebundle.results import Flag

__all__ = [
    "Case",
    "Found",
    "Mark",
    "Outcome",
    "film_cases",
    "format_outcomes",
    "judge_outcome",
    "measure_distance",
    "read_marks",
    "run_cases",
    "write_benchmark",
    "write_sheets",
]

ON_THE_JOINT_MM = 20.0
"""How far the tibial centre may lie from the mark, which was set by eye on a small picture."""
BALL_ROOM_MM = (75.0, 25.0, 110.0)
"""A crop with a calibration ball: room beside the knee, beside the ball, and above and below the knee."""
GUESSED_SPACING_MM = 0.25
FULL_LEG_SPACING_MM = 0.2

Kind = Literal["native", "implant", "odd", "ball"]
Predict = Callable[[Radiograph, str], Any]


@dataclass(frozen=True)
class Mark:
    """A knee of a film: its side (``?``: not known), what it is, and (x, y) of its joint in pixels of the film.

    ``ball`` marks a calibration ball beside the knee of that side; ``odd`` a knee that may be measured or not, such as
    a dislocation.
    """

    image: str
    side: str
    kind: Kind
    x: float
    y: float


@dataclass(frozen=True)
class Case:
    """A film, or a crop of one, and how it is given to the pipeline.

    Attributes:
        group: the row of the table it belongs to.
        image: folder and name, ``ap_films/N13.jpg``.
        path: the file.
        spacing_mm: of a pixel.
        view: as ``--view``.
        side: as ``--side``.
        box: left, top, right, bottom of a crop in pixels, or None.
    """

    group: str
    image: str
    path: str
    spacing_mm: float
    view: str = "auto"
    side: Side | None = None
    box: tuple[int, int, int, int] | None = None

    def read(self) -> Radiograph:
        """Read the radiograph as the pipeline gets it."""
        film = read_radiograph(self.path, spacing_mm=self.spacing_mm, side=self.side)
        if self.box is None:
            return film
        left, top, right, bottom = self.box
        return Radiograph(film.pixels[top:bottom, left:right], film.spacing_mm, film.path, side=self.side)


@dataclass(frozen=True)
class Found:
    """A knee of a prediction: its side, (16, 2) landmarks in pixels of the whole film or None, its flags' texts."""

    side: str
    center: tuple[float, float]
    landmarks: list[list[float]] | None
    confidence: float
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: its knees, the film's own flags, or its error."""

    case: Case
    knees: list[Found]
    flags: list[str] = field(default_factory=list)
    error: str = ""
    quality: list[dict[str, Any]] = field(default_factory=list)


def read_marks(path: Path) -> list[Mark]:
    """Read the table of marks: ``image`` (folder/name), ``side``, ``kind``, ``x_px``, ``y_px``."""
    rows = read_table(path, ["image", "side", "kind", "x_px", "y_px"])
    return [Mark(r["image"], r["side"], r["kind"], float(r["x_px"]), float(r["y_px"])) for r in rows]  # type: ignore[arg-type]


def film_cases(folder: Path, marks: Sequence[Mark] = ()) -> list[Case]:
    """List the cases of a folder with ap_films, full_leg, knee_level, implants, laterals, odd_knees and other_parts.

    Sides of single knees and the spacing of ``ap_films`` come from its films.csv; where there are marks, crops with a
    ball and the sides of odd knees come from them.
    """
    cases: list[Case] = []
    for row in read_table(folder / "ap_films" / "films.csv", ["image", "knees", "side", "spacing_mm"]):
        place = _place(folder, "ap_films", row["image"], float(row["spacing_mm"]))
        if row["knees"] == "2":
            cases.append(Case("bilateral AP", *place))
            continue
        cases.append(Case("single knee, wide cassette, auto", *place))
        if row["side"]:
            cases.append(Case("single knee, view and side given", *place, "pa-single", _side(row["side"])))
    spacings = {"knee_level": 0.2, "full_leg": FULL_LEG_SPACING_MM}
    groups = {"knee_level": "knee level, auto", "full_leg": "full leg, auto", "odd_knees": "odd knees, auto"}
    for name, group in groups.items():
        cases += [
            Case(group, *_place(folder, name, p, spacings.get(name, GUESSED_SPACING_MM))) for p in _images(folder, name)
        ]
    for name in ("implants", "laterals", "other_parts"):
        for image in _images(folder, name):
            place = _place(folder, name, image, GUESSED_SPACING_MM)
            cases.append(Case(f"{name}, auto", *place))
            cases.append(Case(f"{name}, given as frontal", *place, "pa-single"))
    by_image = {case.image: case for case in cases if case.view == "auto"}
    for ball in (m for m in marks if m.kind == "ball"):
        knee = next((m for m in marks if m.image == ball.image and m.side == ball.side and m.kind != "ball"), None)
        if knee is not None and knee.kind == "native":
            cases.append(_ball_crop(by_image[ball.image], knee, ball))
    return cases


def _images(folder: Path, name: str) -> list[str]:
    return sorted(p.name for p in (folder / name / "images").iterdir())


def _place(folder: Path, name: str, image: str, spacing_mm: float) -> tuple[str, str, float]:
    return f"{name}/{image}", str(folder / name / "images" / image), spacing_mm


def _side(text: str) -> Side | None:
    return "R" if text == "R" else "L" if text == "L" else None


def _ball_crop(case: Case, knee: Mark, ball: Mark) -> Case:
    room, edge, height = (mm / case.spacing_mm for mm in BALL_ROOM_MM)
    left, right = min(knee.x - room, ball.x - edge), max(knee.x + room, ball.x + edge)
    top, bottom = min(knee.y - height, ball.y - edge), max(knee.y + height, ball.y + edge)
    with Image.open(case.path) as picture:
        width, rows = picture.size
    box = (int(max(left, 0)), int(max(top, 0)), int(min(right, width)), int(min(bottom, rows)))
    return Case(
        "calibration ball beside the knee", case.image, case.path, case.spacing_mm, "pa-single", _side(knee.side), box
    )


def run_cases(cases: Iterable[Case], predict: Predict, cache: Path) -> list[Outcome]:
    """Predict for each case; what was predicted before is read from the cache folder.

    Args:
        cases: what to predict for.
        predict: takes a radiograph and a view, gives a ``RadiographResult`` or raises ``KneeBundleError``.
        cache: folder for one JSON file a case; empty it when the weights change.
    """
    cache.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for case in cases:
        key = hashlib.sha256(json.dumps(asdict(case), sort_keys=True).encode()).hexdigest()[:16]
        file = cache / f"{key}.json"
        if not file.is_file():
            with write_atomically(file) as temporary:
                temporary.write_text(json.dumps(asdict(_predict(case, predict))), encoding="utf-8")
        stored = json.loads(file.read_text(encoding="utf-8"))
        knees = [Found(**knee) for knee in stored["knees"]]
        outcomes.append(Outcome(case, knees, stored["flags"], stored["error"], stored["quality"]))
    return outcomes


def _predict(case: Case, predict: Predict) -> Outcome:
    try:
        result = predict(case.read(), case.view)
    except KneeBundleError as error:
        return Outcome(case, [], [], str(error))
    shift = np.array(case.box[:2] if case.box else (0, 0), dtype=float)
    knees = []
    for knee in result.knees:
        points, confidence = None, 0.0
        if knee.landmarks is not None and knee.landmarks.confidence is not None:
            points = (knee.landmarks.points + shift).round(2).tolist()
            confidence = float(np.mean(knee.landmarks.confidence))
        x, y = (float(v) for v in np.asarray(knee.center_px) + shift)
        knees.append(Found(knee.side, (x, y), points, confidence, _list_codes(knee.flags)))
    return Outcome(case, knees, _list_codes(result.flags), quality=[dict(knee.scores) for knee in result.knees])


def _list_codes(flags: Sequence[Flag]) -> list[str]:
    return [f"{flag.code}: {flag.message}" for flag in flags]


def judge_outcome(outcome: Outcome, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Judge a case: one row a marked knee, and one a prediction that lies on none.

    ``verdict`` is one of ``right``, ``wrong side``, ``elsewhere``, ``measured`` (an implant), ``skipped``,
    ``not found``; ``flagged`` says whether the film or the knee carries a flag.
    """
    case = outcome.case
    known = [m for m in marks if m.image == case.image and m.kind != "ball"]
    if case.box is not None:
        known = [m for m in known if case.box[0] <= m.x < case.box[2] and case.box[1] <= m.y < case.box[3]]
    rows: list[dict[str, Any]] = []
    taken: set[int] = set()
    for mark in known:
        row: dict[str, Any] = {
            "group": case.group,
            "image": case.image,
            "kind": mark.kind,
            "side": mark.side,
            "flags": outcome.error,
        }
        near = [
            i
            for i, k in enumerate(outcome.knees)
            if measure_distance(k, mark, case) <= ON_THE_JOINT_MM and i not in taken
        ]
        near.sort(key=lambda i: (outcome.knees[i].landmarks is None, outcome.knees[i].side != mark.side))
        if not near:
            rows.append({**row, "verdict": "not found", "flagged": True})
            continue
        taken.add(near[0])
        knee = outcome.knees[near[0]]
        flags = [*knee.flags, *outcome.flags]
        row |= {"flags": "; ".join(flags), "flagged": bool(flags), "confidence": round(knee.confidence, 3)}
        if knee.landmarks is None:
            verdict = "skipped"
        elif mark.kind == "implant":
            verdict = "measured"
        else:
            verdict = "right" if mark.side in (knee.side, "?") else "wrong side"
        rows.append({**row, "verdict": verdict})
    for i, knee in enumerate(outcome.knees):
        if i not in taken and knee.landmarks is not None:
            flags = [*knee.flags, *outcome.flags]
            rows.append(
                {"group": case.group, "image": case.image, "kind": "none", "side": knee.side, "verdict": "elsewhere"}
                | {"flags": "; ".join(flags), "flagged": bool(flags), "confidence": round(knee.confidence, 3)}
            )
    if not rows:
        rows.append(
            {
                "group": case.group,
                "image": case.image,
                "kind": "none",
                "side": "",
                "verdict": "nothing",
                "flagged": True,
            }
            | {"flags": outcome.error or "; ".join(f for k in outcome.knees for f in k.flags)}
        )
    return rows


def measure_distance(knee: Found, mark: Mark, case: Case) -> float:
    """Measure in mm how far a knee's tibial centre, or where it was looked for, is from a mark."""
    point = knee.landmarks[KNEE_PA.center] if knee.landmarks else knee.center
    return float(np.hypot(point[0] - mark.x, point[1] - mark.y)) * case.spacing_mm


COLUMNS = (
    ("native knees", lambda r: r["kind"] == "native"),
    ("right", lambda r: r["kind"] == "native" and r["verdict"] == "right"),
    ("right, flagged", lambda r: r["kind"] == "native" and r["verdict"] == "right" and r["flagged"]),
    ("wrong side, no flag", lambda r: r["verdict"] == "wrong side" and not r["flagged"]),
    ("wrong side, flagged", lambda r: r["verdict"] == "wrong side" and r["flagged"]),
    ("skipped", lambda r: r["kind"] == "native" and r["verdict"] == "skipped"),
    ("not found", lambda r: r["kind"] == "native" and r["verdict"] == "not found"),
    ("elsewhere, no flag", lambda r: r["verdict"] == "elsewhere" and not r["flagged"]),
    ("elsewhere, flagged", lambda r: r["verdict"] == "elsewhere" and r["flagged"]),
    ("implants", lambda r: r["kind"] == "implant"),
    ("implants measured", lambda r: r["verdict"] == "measured"),
)


def format_outcomes(rows: Sequence[Mapping[str, Any]], films: Mapping[str, int]) -> str:
    """Format the table as Markdown, a row a group; ``films`` is the number of films of each."""
    lines = ["| | films | " + " | ".join(name for name, _ in COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 2)]
    for group in dict.fromkeys(r["group"] for r in rows):
        of_group = [r for r in rows if r["group"] == group]
        counts = [sum(bool(test(r)) for r in of_group) for _, test in COLUMNS]
        lines.append(f"| {group} | {films[group]} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines) + "\n"


def _write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The rows of :func:`judge_outcome` as CSV."""
    names = ["group", "image", "kind", "side", "verdict", "flagged", "confidence", "flags"]
    write_table(path, names, [[row.get(name) for name in names] for row in rows])


def write_benchmark(pipeline: KneePipeline, cases: Iterable[Case], marks: Sequence[Mark], out: Path) -> str:
    """Run a pipeline over cases and write ``table.md``, ``films.csv`` and ``sheets/``.

    Args:
        pipeline: what predicts.
        cases: of :func:`film_cases`.
        marks: of :func:`read_marks`.
        out: output folder; its ``cache/`` is used by a later run.

    Returns:
        The table.
    """
    outcomes = run_cases(cases, lambda radiograph, view: pipeline.predict(radiograph, view=view), out / "cache")
    rows = [row for outcome in outcomes for row in judge_outcome(outcome, marks)]
    table = format_outcomes(rows, Counter(outcome.case.group for outcome in outcomes))
    (out / "table.md").write_text(table, encoding="utf-8")
    _write_rows(rows, out / "films.csv")
    write_sheets(outcomes, marks, out / "sheets")
    return table


def write_sheets(
    outcomes: Sequence[Outcome], marks: Sequence[Mark], folder: Path, columns: int = 6, tile: int = 330
) -> None:
    """Draw contact sheets, one or more a group.

    Landmarks are green, or yellow with a flag; centres of skipped knees are red crosses, marks blue rings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_group: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_group.setdefault(outcome.case.group, []).append(outcome)
    for group, members in by_group.items():
        for start in range(0, len(members), 5 * columns):
            page = members[start : start + 5 * columns]
            rows = -(-len(page) // columns)
            sheet = Image.new("RGB", (columns * tile, rows * (tile + 40)), (40, 40, 40))
            for i, outcome in enumerate(page):
                sheet.paste(_tile(outcome, marks, tile), ((i % columns) * tile, (i // columns) * (tile + 40)))
            name = "".join(c if c.isalnum() else "_" for c in group)
            sheet.save(folder / f"{name}_{start // (5 * columns)}.png")


def _tile(outcome: Outcome, marks: Sequence[Mark], tile: int) -> Image.Image:
    case = outcome.case
    out = Image.new("RGB", (tile - 2, tile + 38), (0, 0, 0))
    with Image.open(case.path) as picture:
        grey = picture.convert("L")
    left, top = (case.box or (0, 0))[:2]
    if case.box:
        grey = grey.crop(case.box)
    scale = min((tile - 2) / grey.width, tile / grey.height)
    grey = grey.resize(
        (max(1, round(grey.width * scale)), max(1, round(grey.height * scale))), Image.Resampling.LANCZOS
    )
    out.paste(grey.convert("RGB"), (0, 38))
    pen = ImageDraw.Draw(out)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale, (y - top) * scale + 38

    for mark in marks:
        if mark.image == case.image:
            x, y = at(mark.x, mark.y)
            pen.ellipse([x - 6, y - 6, x + 6, y + 6], outline=(80, 150, 255))
    texts = []
    for knee in outcome.knees:
        texts.append(
            f"{knee.side}{'' if knee.landmarks else ' -'} {knee.confidence:.2f} {' '.join(f[:24] for f in knee.flags)}"
        )
        x, y = at(*knee.center)
        if knee.landmarks is None:
            pen.line([x - 5, y - 5, x + 5, y + 5], fill=(255, 60, 60))
            pen.line([x - 5, y + 5, x + 5, y - 5], fill=(255, 60, 60))
            continue
        for point in knee.landmarks:
            px, py = at(*point)
            pen.ellipse(
                [px - 1.5, py - 1.5, px + 1.5, py + 1.5], fill=(60, 255, 60) if not knee.flags else (255, 210, 40)
            )
        pen.text((x - 4, y + 14), knee.side, fill=(255, 255, 0))
    pen.text(
        (2, 0),
        f"{Path(case.image).name} {' '.join(f[:30] for f in outcome.flags)} {outcome.error[:40]}",
        fill=(255, 255, 255),
    )
    for i, text in enumerate(texts[:2]):
        pen.text((2, 12 + 12 * i), text[:60], fill=(255, 220, 120))
    return out
