"""The whole of a diagnosis: what was found, what is missing and how to get it, as data and as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kneebundle import __version__
from kneebundle.diagnosis.machine import describe_caches, describe_machine, describe_system
from kneebundle.diagnosis.packages import list_packages
from kneebundle.diagnosis.sample import predict_sample
from kneebundle.errors import KneeBundleError, in_brief

__all__ = ["diagnose", "format_diagnosis"]

_WIDTH = 22


def diagnose(predict: bool = True) -> dict[str, Any]:
    """Find out what is installed, on which machine, and whether a drawn radiograph is predicted.

    A part that cannot be found out is ``{"error": ...}``; nothing is raised. No name of a user, machine or folder is in
    it.

    Args:
        predict: predict the sample.

    Returns:
        ``kneebundle`` (its version), ``system``, ``packages``, ``machine``, ``dicom`` (compressed encodings),
        ``bundles``, ``caches``, ``prediction`` (None without ``predict``), ``missing`` (a sentence each) and ``works``.
    """
    found: dict[str, Any] = {
        "kneebundle": __version__,
        "system": describe_system(),
        "packages": [package._asdict() for package in list_packages()],
        "machine": _try(describe_machine),
        "dicom": _try(_describe_encodings),
        "bundles": _try(_describe_bundles),
        "prediction": _try(lambda: predict_sample()._asdict()) if predict else None,
        "caches": _try(describe_caches),
    }
    found["missing"] = _list_missing(found)
    failed = [name for name in ("bundles", "prediction") if "error" in (found[name] or ())]
    lost = [package for package in found["packages"] if package["needed"] and package["version"] is None]
    found["works"] = not failed and not lost
    return found


def format_diagnosis(found: dict[str, Any]) -> str:
    """Write what :func:`diagnose` gives as text, a line a fact."""
    system = found["system"]
    lines = [
        f"kneebundle {found['kneebundle']}, Python {system['python']}, {system['system']} {system['architecture']}"
    ]
    lines += ["", "Packages"]
    for package in found["packages"]:
        lines.append(_line(package["name"], package["version"] or f"not installed: {package['purpose']}"))
    lines += ["", "Machine", *_format(found["machine"], _format_machine)]
    lines += ["", "Compressed DICOM images, and what decodes them", *_format(found["dicom"], _format_encodings)]
    lines += ["", "Bundles", *_format(found["bundles"], _format_bundles)]
    lines += ["", "Caches", *_format(found["caches"], _format_caches)]
    lines += ["", "Prediction of a drawn radiograph", *_format(found["prediction"], _format_prediction)]
    if found["missing"]:
        lines += ["", "Missing", *(f"  {sentence}" for sentence in found["missing"])]
    verdict = "works" if found["works"] else "does not work"
    lines += ["", f"kneebundle {verdict}" + (" as far as can be told without a prediction" * (not found["prediction"]))]
    return "\n".join(lines)


def _try(part: Callable[[], Any]) -> Any:
    """A part, or what keeps it from being found out: any kind of error, for this is what a diagnosis is for."""
    try:
        return part()
    except KneeBundleError as error:
        return {"error": _hide_folders(error.reason)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {_hide_folders(in_brief(error, 400))}"}


def _hide_folders(text: str) -> str:
    r"""Leave of each absolute path its last name, since folders are called after people.

    Example:
        >>> _hide_folders("cannot open '/home/jane doe/x.pt' or C:\\Users\\jane\\x.pt")
        "cannot open '.../x.pt' or .../x.pt"
    """
    text = text.replace(str(Path.home()), "~")
    text = re.sub(r"(['\"])(?:~|[A-Za-z]:)?[/\\][^'\"]*[/\\]([^/\\'\"]*)\1", r"\1.../\2\1", text)
    return re.sub(r"(?<![\w./])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"]+[/\\])+([^\s/\\'\"]*)", r".../\1", text)


def _describe_encodings() -> list[dict[str, Any]]:
    from kneebundle.io.dicom_decoders import list_encodings

    return [encoding._asdict() for encoding in list_encodings()]


def _describe_bundles() -> list[dict[str, Any]]:
    from kneebundle.bundles import list_bundles

    return [
        {
            "name": bundle.name,
            "version": bundle.version,
            "weights": [{"file": name, "sha256": digest} for name, digest in bundle.weights],
        }
        for bundle in list_bundles()
    ]


def _list_missing(found: dict[str, Any]) -> list[str]:
    missing = []
    for package in found["packages"]:
        if package["version"] is None:
            need = "kneebundle needs it" if package["needed"] else "optional"
            missing.append(f"{package['name']} ({package['purpose']}; {need}): pip install {package['install']}")
    for encoding in found["dicom"] if isinstance(found["dicom"], list) else []:
        if not encoding["decoders"]:
            missing.append(f"a decoder of {encoding['name']}: pip install {encoding['package']}")
    for bundle in found["bundles"] if isinstance(found["bundles"], list) else []:
        if not bundle["weights"]:
            missing.append(f"weights of {bundle['name']}: install a release that carries them, or train it")
    return missing


def _format(part: Any, write: Callable[[Any], list[str]]) -> list[str]:
    if part is None:
        return ["  not tried"]
    if isinstance(part, dict) and "error" in part:
        return [f"  {part['error']}"]
    return write(part)


def _format_machine(machine: dict[str, Any]) -> list[str]:
    cores, features = machine["cores"], machine["features"]
    listed = "not listed by this system"
    if features is not None:
        listed = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in features.items())
    memory = "unknown" if machine["memory_gb"] is None else f"{machine['memory_gb']} GB"
    lines = [
        _line("cores", f"{cores['usable']} usable of {cores['machine']}"),
        _line("memory", memory),
        _line("processor", listed),
        _line("GPU", ", ".join(machine["gpus"]) or "none that torch can use"),
        _line("predict", f"{machine['runtime']} in float32 on {machine['device']}"),
        _line("train", f"torch in {machine['training_precision']} on {machine['device']} ({machine['why']})"),
    ]
    return lines + [_line(name, value) for name, value in machine["variables"].items()]


def _format_encodings(encodings: list[dict[str, Any]]) -> list[str]:
    return [
        _line(e["name"], ", ".join(e["decoders"]) or f"cannot be read: pip install {e['package']}") for e in encodings
    ]


def _format_bundles(bundles: list[dict[str, Any]]) -> list[str]:
    lines = []
    for bundle in bundles:
        lines.append(f"  {bundle['name']} {bundle['version']}{'' if bundle['weights'] else '  no weights'}")
        lines += [f"    {weights['file']}  sha256 {weights['sha256']}" for weights in bundle["weights"]]
    return lines


def _format_caches(caches: list[dict[str, Any]]) -> list[str]:
    return [
        _line(cache["name"], f"{cache['files']} files, {cache['bytes'] / 1e6:.0f} MB in {cache['folder']}")
        for cache in caches
    ]


def _format_prediction(prediction: dict[str, Any]) -> list[str]:
    return [
        _line("knees found", str(prediction["knees"])),
        _line("landmarks", f"{prediction['error_mm']:.1f} mm from the drawn ones on average"),
        _line("networks loaded in", f"{prediction['load_s']:.1f} s"),
        _line("first radiograph", f"{prediction['first_s']:.1f} s"),
        _line("the same again", f"{prediction['next_s']:.1f} s"),
    ]


def _line(name: str, value: str) -> str:
    return f"  {name:<{_WIDTH}}{value}"
