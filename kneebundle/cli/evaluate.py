"""The command that compares predictions with labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from kneebundle.cli.options import PATH

_LANDMARKS = 16
_FILES = {
    "knees": ("evaluation.json", "evaluation.csv", "evaluation.png", "evaluation_knees.csv"),
    "planning": ("planning_evaluation.json", "planning_evaluation.csv", "planning_evaluation.png"),
}
"""What is written, by what is evaluated."""


@click.command()
@click.option("--predictions", type=PATH, required=True, help="Output folder of kneebundle predict.")
@click.option(
    "--truth",
    "truths",
    type=PATH,
    required=True,
    multiple=True,
    help="CSV file with the labels. Columns of PA knees: image, side, spacing_mm, x0, y0 .. x15, y15, empty where not "
    "marked; kl if known. Columns of lateral films: image, spacing_mm, p_blum_x, p_blum_y, p_tmc_.., p_prox_.., "
    "p_dist_..; rater and suitable if known. Give one file for each reading or rater if there are several. "
    "Or the folder corrections that kneebundle annotate wrote.",
)
@click.option(
    "--landmarks",
    default="0,8,9,15",
    show_default=True,
    help="Numbers of the landmarks to count, joined by commas, or all.",
)
@click.option("-o", "--output", type=PATH, help="Folder for the results; by default that of the predictions.")
def evaluate(predictions: Path, truths: tuple[Path, ...], landmarks: str, output: Path | None) -> None:
    """Compare predictions with labels: landmarks of PA knees, or the planning on lateral films.

    The columns of the truth say which of the two it is. A labelled knee without a prediction counts as a failure in
    the percentages, and is left out of mean and median. Of several readings of PA knees the mean is the label, and the
    distance between readings is printed beside the error. Masks of lateral films are looked for in
    masks/<stem>_<bone>.png beside the truth.
    """
    from kneebundle.evaluation.planning_truth import find_truth_kinds
    from kneebundle.io.own_files import hold_files

    folder = output or (predictions if predictions.is_dir() else predictions.parent)
    kinds = find_truth_kinds(truths[0])
    ids = _parse_landmarks(landmarks)
    with hold_files(folder, [name for kind in kinds for name in _FILES[kind]], _is_evaluation) as aside:
        if "planning" in kinds:
            _evaluate_plannings(predictions, truths, aside, folder)
        if "knees" in kinds:
            _evaluate_knees(predictions, truths, aside, ids)


def _is_evaluation(path: Path) -> bool:
    """Whether a file is of an evaluation: the JSON document beside it is one."""
    stem = "planning_evaluation" if path.name.startswith("planning_") else "evaluation"
    try:
        document = json.loads(path.with_name(f"{stem}.json").read_text(encoding="utf-8"))
        return str(document["schema"]).startswith(("kneebundle/evaluation/", "kneebundle/planning-evaluation/"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _evaluate_knees(predictions: Path, truths: Sequence[Path], folder: Path, ids: Sequence[int]) -> None:
    from kneebundle.evaluation.landmark_report import format_each, format_summary, write_evaluation
    from kneebundle.evaluation.landmarks import compare, measure_width, summarize, summarize_each

    comparison = compare(predictions, *truths)
    summary = summarize(comparison, ids)
    write_evaluation(comparison, summary, ids, folder)
    click.echo(format_summary(summary))
    click.echo("\n" + format_each(summarize_each(comparison, ids), measure_width(comparison)))
    knees = zip(comparison.images, comparison.sides, comparison.missing, strict=True)
    without = [f"{image} {side}" for image, side, missing in knees if missing]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        click.echo(f"no prediction for {len(without)} knees: {', '.join(without[:5])}{more}", err=True)
    other = comparison.other_spacing
    if other:
        click.echo(
            f"warning: {len(other)} knees have another pixel size in the truth than they were predicted with, and all "
            f"mm here are those of the truth: {'; '.join(other[:3])}{' ...' if len(other) > 3 else ''}",
            err=True,
        )
    if comparison.unused:
        click.echo(f"{comparison.unused} predicted knees have no label and were left out", err=True)


def _evaluate_plannings(predictions: Path, truths: Sequence[Path], aside: Path, folder: Path) -> None:
    from kneebundle.evaluation.planning import compare_plannings, summarize_plannings
    from kneebundle.evaluation.planning_report import format_planning_summary, write_planning_evaluation

    comparison = compare_plannings(predictions, truths)
    summary = summarize_plannings(comparison)
    write_planning_evaluation(comparison, summary, aside)
    click.echo(format_planning_summary(summary))
    without = [f"{image}: {why}" for image, why in zip(comparison.images, comparison.missing, strict=True) if why]
    for line in without[:5]:
        click.echo(f"no Schoettle point on {line}", err=True)
    if len(without) > 5:
        click.echo(f"nor on {len(without) - 5} more; see {folder / 'planning_evaluation.csv'}", err=True)
    if comparison.unused:
        click.echo(f"{comparison.unused} predicted films have no label and were left out", err=True)


def _parse_landmarks(text: str) -> list[int]:
    if text.strip() == "all":
        return list(range(_LANDMARKS))
    parts = text.split(",")
    if not all(part.strip().isdecimal() and part.strip().isascii() and int(part) < _LANDMARKS for part in parts):
        raise click.UsageError(
            f"--landmarks is {text!r}; numbers from 0 to {_LANDMARKS - 1} joined by commas are needed"
        )
    return list(dict.fromkeys(int(part) for part in parts))
