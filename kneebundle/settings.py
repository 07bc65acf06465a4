"""What a call of ``monai.bundle run`` sets, held against what the bundle's configuration has."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from kneebundle.errors import KneeBundleError

__all__ = ["check_overrides", "check_settings"]

_OF_MONAI = frozenset(
    ("args_file", "config_file", "final_id", "init_id", "logging_file", "meta_file", "properties_path", "run_id")
    + ("tracking", "workflow_name", "workflow_type")
    # of an experiment tracked by MLflow
    + ("experiment_name", "is_not_rank0", "run_name", "save_execute_config", "tracking_uri")
)


def check_settings() -> None:
    """Check the overrides of the ``monai.bundle`` run that a configuration's ``initialize`` list is a part of.

    MONAI adds what it does not know to the configuration, where nothing refers to it: with a misspelt ``dataset_dir``
    it would use other data than was meant. Started in another way than through ``monai.bundle.run`` or
    ``create_workflow``, nothing is checked.

    Raises:
        SystemExit: with one line, if the configuration has no such key or ``bundle_root`` is no bundle.
    """
    found = _find_call()
    if found is None:
        return
    files, given = found
    from monai.bundle import ConfigParser
    from monai.utils import ensure_tuple

    overrides = {key: value for key, value in given.items() if key not in _OF_MONAI}
    content = ConfigParser.load_config_files(files)
    try:
        check_overrides(overrides, content)
        if _is_command():
            _report_in_one_line()
            _check_root(overrides.get("bundle_root", content.get("bundle_root")), Path(ensure_tuple(files)[0]))
    except KneeBundleError as error:
        # neither wrapped by MONAI nor below a traceback
        raise SystemExit(f"kneebundle: {error}") from error


def check_overrides(overrides: Iterable[str], content: Mapping[str, Any]) -> None:
    """Check that a configuration has every key that is overridden.

    Arguments of a component, which has a ``_target_``, may be new: the component checks them itself.

    Args:
        overrides: keys as ``monai.bundle`` takes them: ``"max_epochs"``, ``"network_def#width"``,
            ``"train::dataloader::batch_size"``, with ``+`` in front to extend, ``~`` to delete.
        content: of the configuration files, merged.

    Raises:
        KneeBundleError: if a key is unknown; it names the one that is most like it.

    Example:
        >>> from kneebundle.settings import check_overrides
        >>> check_overrides(["datset_dir"], {"dataset_dir": "", "run": []})
        Traceback (most recent call last):
        ...
        kneebundle.errors.KneeBundleError: the configuration has no 'datset_dir'; did you mean 'dataset_dir'?
    """
    for key in overrides:
        place: Any = content
        known: list[str] = []
        for part in key.lstrip("+~").replace("::", "#").split("#"):
            names = _list_names(place)
            if part not in names:
                if isinstance(place, Mapping) and "_target_" in place:
                    break
                raise KneeBundleError(f"the configuration has no {key!r}; {_suggest(part, names, known)}")
            known.append(part)
            place = place[part] if isinstance(place, Mapping) else place[int(part)]


def _list_names(place: Any) -> list[str]:
    if isinstance(place, Mapping):
        return [str(name) for name in place]
    if isinstance(place, Sequence) and not isinstance(place, str):
        return [str(index) for index in range(len(place))]
    return []


def _suggest(part: str, names: Sequence[str], known: Sequence[str]) -> str:
    near = difflib.get_close_matches(part, names, n=1)
    if near:
        return f"did you mean {'#'.join([*known, near[0]])!r}?"
    if known and not names:
        return f"{'#'.join(known)!r} has no parts"
    return "its keys are in the configuration files"


def _check_root(root: Any, config_file: Path) -> None:
    """Check that the bundle's own folder is found from where it runs."""
    if not isinstance(root, str) or root.startswith(("$", "@", "%")):
        return
    if not (Path(root) / "configs").is_dir():
        folder = config_file.parent.parent
        raise KneeBundleError(
            f"bundle_root is {root!r}, which is no bundle seen from {Path.cwd()}; run it from the bundle's folder, "
            f"or set bundle_root to {str(folder)!r}"
        )


def _is_command() -> bool:
    """Whether the bundle is run, and not only loaded by ``monai.bundle.load`` or another program."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "monai.bundle.scripts":
            return True
        frame = frame.f_back
    return False


def _report_in_one_line() -> None:
    """Let ``python -m monai.bundle`` end with one line where kneebundle found the error, whatever MONAI wrapped it in.

    Of other errors it prints the traceback, and so does another program that calls ``monai.bundle.run``.
    """
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is None or main.name.split(".")[:2] != ["monai", "bundle"]:
        return
    plain = sys.excepthook

    def report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KneeBundleError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            plain(kind, error, traceback)
        else:
            print(f"kneebundle: {cause}", file=sys.stderr)

    sys.excepthook = report


def _find_call() -> tuple[Any, dict[str, Any]] | None:
    """The configuration files and all other arguments of the run that calls, with those of its ``args_file``."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "create_workflow" and frame.f_globals.get("__name__") == "monai.bundle.scripts":
            local = frame.f_locals
            files, given = local.get("config_file"), local.get("_args")
            return (files, dict(given)) if files is not None and isinstance(given, dict) else None
        frame = frame.f_back
    return None
