"""The files of a registration: JSON (schema ``kneebundle/registration/1``), the registered crop, before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from kneebundle.io.writing import write_atomically
from kneebundle.registration.result import RegistrationResult
from kneebundle.reports.record_check import is_image

__all__ = [
    "REGISTRATION_SCHEMA",
    "draw_before_after",
    "read_registration",
    "make_registration_document",
    "write_registration",
]

REGISTRATION_SCHEMA = "kneebundle/registration/1"
_DECIMALS = 6
_PANEL_PX = 448
_FRAME, _WHITE, _AMBER = (90, 200, 255), (255, 255, 255), (255, 200, 60)


def make_registration_document(result: RegistrationResult) -> dict[str, Any]:
    """Make the content of the JSON file.

    ``theta`` is (scale, tx, ty, rotation in rad) of the square around the image as displayed; ``matrix`` leads from the
    crop to the image as stored, both in [-1, 1] with align_corners=False. Where nothing was registered they leave the
    crop as it is.
    """
    return {
        "schema": REGISTRATION_SCHEMA,
        "image": {"path": result.path},
        "side": result.side,
        "registered": result.registered,
        "theta": [round(v, _DECIMALS) for v in result.theta],
        "matrix": [[round(float(v), _DECIMALS) for v in row] for row in result.matrix],
        "energy": round(result.energy, _DECIMALS),
        "agreement": [round(v, _DECIMALS) for v in result.agreement],
        "seconds": round(result.seconds, 3),
    }


def read_registration(path: Path) -> dict[str, Any] | None:
    """Read a document of :func:`write_registration`; None where there is none, or the file is not one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(document, dict) and document.get("schema") == REGISTRATION_SCHEMA
    return document if known and is_image(document.get("image")) else None


def write_registration(result: RegistrationResult, folder: Path, name: str) -> None:
    """Write ``<name>.png`` (the registered crop), ``<name>_before_after.png`` and then ``<name>.json``.

    Each is written whole or not at all.
    """
    with write_atomically(folder / f"{name}.png") as temporary:
        _grey(result.after).save(temporary, format="PNG")
    with write_atomically(folder / f"{name}_before_after.png") as temporary:
        draw_before_after(result).save(temporary, format="PNG")
    with write_atomically(folder / f"{name}.json") as temporary:
        document = json.dumps(make_registration_document(result), indent=1, allow_nan=False)
        temporary.write_text(document + "\n", encoding="utf-8")


def draw_before_after(result: RegistrationResult) -> Image.Image:
    """Draw the crop with the frame that was found beside the registered crop; a grid on both shows what lies where."""
    before = _grey(result.before).resize((_PANEL_PX, _PANEL_PX), Image.Resampling.BILINEAR).convert("RGB")
    after = _grey(result.after).resize((_PANEL_PX, _PANEL_PX), Image.Resampling.BILINEAR).convert("RGB")
    scale, x, y, angle = result.theta
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pen, after_pen = ImageDraw.Draw(before), ImageDraw.Draw(after)
    for line in _grid_lines():
        pen.line([tuple(p) for p in _pixels(line @ rotation.T + [x, y])], fill=_FRAME)
        after_pen.line([tuple(p) for p in _pixels(line)], fill=_FRAME)
    picture = Image.new("RGB", (2 * _PANEL_PX + 4, _PANEL_PX + 24))
    picture.paste(before, (0, 0))
    picture.paste(after, (_PANEL_PX + 4, 0))
    text = (
        f"scale {scale:.2f}, shift {x:.2f} {y:.2f}, rotation {angle:.2f} rad" if result.registered else "not registered"
    )
    colour = _WHITE if result.registered else _AMBER
    ImageDraw.Draw(picture).text((6, _PANEL_PX + 5), text, fill=colour, font=ImageFont.load_default(13))
    return picture


def _grid_lines() -> list[np.ndarray]:
    """The frame and its middle lines, each (2, 2) in [-1, 1]."""
    ends = np.array([-1.0, 1.0])
    places = (-0.995, 0.0, 0.995)
    return [np.stack([np.full(2, p), ends], 1) for p in places] + [np.stack([ends, np.full(2, p)], 1) for p in places]


def _pixels(points: np.ndarray) -> np.ndarray:
    return (points + 1) * (_PANEL_PX / 2) - 0.5


def _grey(image: torch.Tensor) -> Image.Image:
    """(1, H, W) in [-1, 1] as 8 bits."""
    values = image.as_subclass(torch.Tensor)[0].cpu().numpy()
    return Image.fromarray(np.uint8(np.clip((values + 1) * 127.5, 0, 255)))
