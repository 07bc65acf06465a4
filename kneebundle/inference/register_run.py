"""Many crops to files: one bad file costs only itself, and a run goes on where an earlier one stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kneebundle.errors import KneeBundleError
from kneebundle.inference.manifest import ImageRequest
from kneebundle.inference.naming import output_names
from kneebundle.inference.registration_model import read_crop
from kneebundle.inference.registration_result import RegistrationResult
from kneebundle.radiograph import Radiograph
from kneebundle.reports.csv_report import write_errors
from kneebundle.reports.registration_report import read_registration, write_registration

__all__ = ["RegisterSummary", "Registrar", "register_images"]


class Registrar(Protocol):
    """What a run asks of :class:`kneebundle.inference.registration_model.RegistrationModel`."""

    def register_batch(self, radiographs: Sequence[Radiograph]) -> list[RegistrationResult]:
        """A result for each crop, in their order."""
        ...


@dataclass(frozen=True)
class RegisterSummary:
    """What a run did.

    Attributes:
        registered: images that were pulled onto the reference.
        unregistered: images of which it said that they were not.
        skipped: images that an earlier run had answered.
        refused: path and reason of those that were not answered.
    """

    registered: int
    unregistered: int
    skipped: int
    refused: tuple[tuple[str, str], ...]


def register_images(
    requests: Sequence[ImageRequest],
    output: Path,
    model: Callable[[], Registrar],
    *,
    batch_size: int = 4,
    overwrite: bool = False,
    progress: bool = False,
) -> RegisterSummary:
    """Register images, with files in a folder for each (:func:`write_registration`), and ``errors.csv``.

    Args:
        requests: the images.
        output: the folder; made if it is not there.
        model: makes the registrar; called only if there is something to do.
        batch_size: images that are registered together.
        overwrite: do again what an earlier run did.
        progress: show a bar, where stderr is a terminal.

    Raises:
        KneeBundleError: only from ``model()`` or if the folder cannot be made; a file's refusal is in the summary.
    """
    from tqdm import tqdm

    output = output.absolute()
    _make(output)
    named = _named(requests, output)
    todo = [(request, name) for request, name, done in named if overwrite or not done]
    refused: list[tuple[str, str]] = []
    counts = {True: 0, False: 0}
    registrar = model() if todo else None
    with tqdm(
        total=len(named), initial=len(named) - len(todo), unit="image", disable=None if progress else True
    ) as bar:
        for first in range(0, len(todo), batch_size):
            batch = todo[first : first + batch_size]
            for (request, name), answer in zip(batch, _answers(registrar, batch), strict=True):
                outcome = _written(answer, output, name)
                if isinstance(outcome, Exception):
                    refused.append((str(request.path), _reason(outcome)))
                else:
                    counts[outcome.registered] += 1
                bar.update()
    write_errors(refused, output / "errors.csv")
    return RegisterSummary(counts[True], counts[False], len(named) - len(todo), tuple(refused))


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make the output folder ({error.strerror}); give another with -o"
        raise KneeBundleError(reason, output) from error


def _named(requests: Sequence[ImageRequest], output: Path) -> list[tuple[ImageRequest, str, bool]]:
    """Each request with the name of its files, and whether an earlier run wrote them."""
    earlier = dict(_earlier(output))
    paths = [request.path for request in requests]
    own = {os.path.abspath(path) for path in paths}
    fresh = output_names(paths, [name for path, name in earlier.items() if path not in own])
    known = [earlier.get(os.path.abspath(path)) for path in paths]
    return [(request, old or new, old is not None) for request, old, new in zip(requests, known, fresh, strict=True)]


def _earlier(output: Path) -> Iterator[tuple[str, str]]:
    """Path and name of the images that the folder has answers for."""
    for file in sorted(output.glob("[!.]*.json")):
        document = read_registration(file)
        if document is not None:
            yield os.path.abspath(document["image"]["path"]), file.stem


def _answers(
    registrar: Registrar | None, batch: Sequence[tuple[ImageRequest, str]]
) -> list[RegistrationResult | Exception]:
    """Results of the batch in its order; where reading fails, or the batch as a whole, the reason of each."""
    assert registrar is not None
    images = [_read(request) for request, _ in batch]
    readable = [image for image in images if isinstance(image, Radiograph)]
    answers = iter(_registered(registrar, readable))
    return [next(answers) if isinstance(image, Radiograph) else image for image in images]


def _registered(registrar: Registrar, images: Sequence[Radiograph]) -> list[RegistrationResult | Exception]:
    if not images:
        return []
    try:
        return [*registrar.register_batch(images)]
    except Exception as error:
        if len(images) == 1:
            return [error]
        return [answer for image in images for answer in _registered(registrar, [image])]


def _read(request: ImageRequest) -> Radiograph | Exception:
    try:
        image = read_crop(request.path.absolute(), request.side, request.spacing_mm)
    except Exception as error:  # whatever is wrong with a file, the others are still to be answered
        return error
    return replace(image, path=str(request.path))


def _written(answer: RegistrationResult | Exception, output: Path, name: str) -> RegistrationResult | Exception:
    """Write the files; what an earlier run answered to an image that is refused now is taken away."""
    try:
        if isinstance(answer, Exception):
            for suffix in (".json", ".png", "_before_after.png"):
                (output / f"{name}{suffix}").unlink(missing_ok=True)
        else:
            write_registration(answer, output, name)
    except Exception as error:
        return error
    return answer


def _reason(error: Exception) -> str:
    if isinstance(error, KneeBundleError):
        return error.reason
    return " ".join(f"unexpected {type(error).__name__}: {error}; please report it".split())
