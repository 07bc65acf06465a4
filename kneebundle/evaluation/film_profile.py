"""What the steps of a prediction cost, from a film to its files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.reading import read_radiograph
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.reports.drawing import write_picture
from kneebundle.reports.json_report import to_document, write_document
from kneebundle.reports.overlay import draw_overlay

__all__ = ["Step", "format_steps", "profile_films"]


@dataclass(frozen=True)
class Step:
    """A step of the prediction of a film.

    Attributes:
        name: what is done.
        runs: how often a film has it, in the mean.
        processor: seconds of all cores together that a film spends on it, the median over the films.
    """

    name: str
    runs: float
    processor: float


class _Timed:
    """A network that notes its runs."""

    def __init__(self, network: Any, name: str, note: Callable[[str, float], None]) -> None:
        self.network, self.name, self.note = network, name, note

    def __call__(self, image: Any, **options: Any) -> Any:
        start = time.process_time()
        found = self.network(image, **options)
        self.note(f"{self.name}, {' x '.join(map(str, image.shape))}", time.process_time() - start)
        return found


def profile_films(films: Sequence[Path], repeats: int = 3) -> list[Step]:
    """Predict films one after the other in this process, and measure each step.

    Args:
        films: bilateral ones.
        repeats: how often; the first time is not counted, since networks are loaded by it.
    """
    pipeline = KneePipeline.from_bundles()
    notes: list[dict[str, list[float]]] = []

    def note(name: str, seconds: float) -> None:
        notes[-1].setdefault(name, []).append(seconds)

    def clock(name: str, run: Callable[..., Any], *arguments: Any) -> Any:
        start = time.process_time()
        found = run(*arguments)
        note(name, time.process_time() - start)
        return found

    models = {"stage 1": pipeline.roi, "the knee check": pipeline.check, "stage 2": pipeline.landmarks}
    for name, model in models.items():
        if model is not None:
            model.networks = [_Timed(network, f"network of {name}", note) for network in model.networks]
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        output = Path(folder)
        for _ in range(repeats + 1):
            for film in films:
                notes.append({})
                radiograph = clock("read", read_radiograph, film)
                result = clock("predict", pipeline.predict, radiograph)
                for knee in result.knees:
                    if knee.landmarks is not None:
                        clock("measure", measure_knee_pa, result.radiograph, knee.landmarks)
                picture = clock("draw the picture", draw_overlay, result)
                clock("compress the picture", write_picture, picture, output / "film.png")
                clock("write JSON", _write_json, result, output / "film.json")
    return _summarize(notes[len(films) :])


def _write_json(result: Any, path: Path) -> None:
    write_document(to_document(result, {}), path)


def _summarize(notes: Sequence[dict[str, list[float]]]) -> list[Step]:
    """A step for each name; what is left of the predictions, cutting regions above all, is a step, too."""
    rest = "cut regions, and the rest"
    for film in notes:
        inside = [sum(times) for name, times in film.items() if name.startswith("network") or name == "measure"]
        film[rest] = [max(sum(film.pop("predict")) - sum(inside), 0.0)]
    names = dict.fromkeys(name for film in notes for name in film)
    return [
        Step(
            name,
            sum(len(film.get(name, ())) for film in notes) / len(notes),
            median(sum(film.get(name, ())) for film in notes),
        )
        for name in names
    ]


def format_steps(steps: Sequence[Step]) -> str:
    """Format the steps as a table in Markdown, the dearest first.

    Example:
        >>> print(format_steps([Step("read", 1.0, 0.02), Step("measure", 2.0, 0.06)]))
        |  | runs a film | processor ms a film | share % |
        | --- | --- | --- | --- |
        | measure | 2.0 | 60.0 | 75 |
        | read | 1.0 | 20.0 | 25 |
        | all | 1.0 | 80.0 | 100 |
    """
    total = Step("all", 1.0, sum(step.processor for step in steps))
    ordered = sorted(steps, key=lambda step: -step.processor)
    rows = [
        [s.name, f"{s.runs:.1f}", f"{1e3 * s.processor:.1f}", f"{100 * s.processor / max(total.processor, 1e-9):.0f}"]
        for s in (*ordered, total)
    ]
    return format_markdown(("", "runs a film", "processor ms a film", "share %"), rows)
