"""Label Studio: its JSON of tasks with keypoints, in percent of the image (labelstud.io/tags/keypointlabels).

A point has a label such as ``R tibia_center``. Where a point lies is measured from the corner of the first pixel, so
the centre of pixel x of W columns is at 100 (x + 0.5) / W percent. Points of a prediction are a prediction of the task,
to be corrected there; of a task that people have annotated, their latest annotation is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.exchange.attributes import format_facts, format_number, parse_facts, parse_optional
from kneebundle.exchange.documents import (
    LATERAL_NAMES,
    Document,
    ImageFacts,
    Mark,
    list_marks,
    make_document,
    parse_label,
    read_facts,
    tidy,
)
from kneebundle.exchange.images import Images
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA

__all__ = ["make_labeling_config", "read_label_studio", "write_label_studio"]

_FROM, _TO = "landmarks", "image"
_KIND = "keypointlabels"
_POINT_PERCENT = 0.3
_RADIUS = "radius_mm="


def make_labeling_config() -> str:
    """Make the labeling configuration that a project of Label Studio needs for these tasks."""
    names = [f"{side} {name}" for side in "RL" for name in KNEE_PA.names]
    names += [f"{side} {name}" for side in "RL" for name in LATERAL_NAMES] + list(LATERAL_NAMES)
    labels = "\n".join(f'    <Label value="{name}"/>' for name in names)
    return (
        f'<View>\n  <Image name="{_TO}" value="$image" zoom="true" zoomControl="true"/>\n'
        f'  <KeyPointLabels name="{_FROM}" toName="{_TO}">\n{labels}\n  </KeyPointLabels>\n</View>\n'
    )


def write_label_studio(documents: Sequence[Document], path: Path, images: Images) -> None:
    """Write a task for each image, its points as a prediction, atomically.

    Raises:
        KneeBundleError: if the size of an image with points is not known.
    """
    tasks = [_make_task(document, number, images) for number, document in enumerate(documents, start=1)]
    with write_atomically(path) as temporary:
        text = json.dumps(tasks, ensure_ascii=False, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_label_studio(content: Any, path: Path, images: Images) -> list[Document]:
    """Read tasks, as exported in the format JSON.

    Raises:
        KneeBundleError: if they are something else, or a point's label is not known.
    """
    try:
        return [_read_task(task, path, images) for task in content]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KneeBundleError(
            f"not the tasks of Label Studio ({in_brief(error)}); export them as JSON", path
        ) from error


def _make_task(document: Document, number: int, images: Images) -> dict[str, Any]:
    facts = images.complete(read_facts(document))
    marks = list_marks(document)
    if marks and (facts.rows is None or facts.columns is None):
        raise KneeBundleError(
            "the size of the image is not known, and places are in percent of it", facts.path, "images"
        )
    known = [mark.confidence for mark in marks if mark.confidence is not None]
    prediction: dict[str, Any] = {
        "model_version": ", ".join(f"{m['bundle']} {m['version']}" for m in document["models"]) or "kneebundle",
        **({"score": sum(known) / len(known)} if known else {}),
        "result": [_make_result(mark, facts) for mark in marks],
    }
    data = {"image": facts.path, **format_facts(facts)}
    return {"id": number, "data": data, "predictions": [prediction] if marks else []}


def _make_result(mark: Mark, facts: ImageFacts) -> dict[str, Any]:
    assert facts.rows is not None and facts.columns is not None
    meta = {} if mark.radius_mm is None else {"meta": {"text": [f"{_RADIUS}{format_number(mark.radius_mm)}"]}}
    return {
        "id": mark.label.replace(" ", "_"),
        "from_name": _FROM,
        "to_name": _TO,
        "type": _KIND,
        "original_width": facts.columns,
        "original_height": facts.rows,
        "image_rotation": 0,
        "value": {
            "x": 100.0 * (mark.x + 0.5) / facts.columns,
            "y": 100.0 * (mark.y + 0.5) / facts.rows,
            "width": _POINT_PERCENT,
            _KIND: [mark.label],
        },
        **({} if mark.confidence is None else {"score": mark.confidence}),
        **meta,
    }


def _read_task(task: Mapping[str, Any], path: Path, images: Images) -> Document:
    data = task["data"]
    results = _choose_results(task)
    facts = parse_facts(data, _read_address(str(data["image"])), path)
    points = [result for result in results if result.get("type") == _KIND]
    if points and (facts.rows is None or facts.columns is None):
        size = {"rows": str(points[0]["original_height"]), "columns": str(points[0]["original_width"])}
        facts = parse_facts({**data, **size}, facts.path, path)
    if str(task.get("image_rotation", 0)) != "0" or any(result.get("image_rotation") for result in points):
        raise KneeBundleError(f"{facts.path} was rotated in Label Studio; turn it back there", path)
    return make_document(images.complete(facts), [_read_result(result, facts.path, path) for result in points])


def _choose_results(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the latest person marked who did not skip the task or, if nobody did, the prediction."""
    annotations = [a for a in task.get("annotations") or task.get("completions") or () if not a.get("was_cancelled")]
    chosen = sorted(annotations, key=lambda a: str(a.get("updated_at") or a.get("created_at") or ""))
    if not chosen:
        chosen = [prediction for prediction in task.get("predictions") or () if isinstance(prediction, dict)]
    return chosen[-1]["result"] if chosen else ()


def _read_address(text: str) -> str:
    """The path in an address that Label Studio gives an image: of its local storage, or of an upload."""
    parsed = urlparse(text)
    if parsed.scheme in ("", "file") or len(parsed.scheme) == 1:
        local = parse_qs(parsed.query).get("d") if parsed.path.startswith("/data/local-files") else None
        return local[0] if local else unquote(parsed.path) if parsed.scheme == "file" else text
    return PurePath(unquote(parsed.path)).name


def _read_result(result: Mapping[str, Any], image: str, path: Path) -> Mark:
    value = result["value"]
    labels = value.get(_KIND) or []
    named = parse_label(str(labels[0])) if len(labels) == 1 else None
    if named is None:
        raise KneeBundleError(
            f"{image} has a point labelled {labels}; a label such as 'R tibia_center' is needed", path
        )
    texts = [text for text in (result.get("meta") or {}).get("text") or () if str(text).startswith(_RADIUS)]
    radius = parse_optional(texts[0].removeprefix(_RADIUS), "radius_mm", path) if texts else None
    return Mark(
        *named,
        tidy(float(value["x"]) / 100.0 * float(result["original_width"]) - 0.5),
        tidy(float(value["y"]) / 100.0 * float(result["original_height"]) - 0.5),
        parse_optional(result.get("score"), "score", path),
        radius,
    )
