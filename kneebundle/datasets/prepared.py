"""A data set whose deterministic transforms are done once and kept on the disk."""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
import logging
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import Dataset, MetaTensor
from monai.transforms import Compose, RandomizableTrait, Transform

from kneebundle.bundles import hash_file
from kneebundle.io.writing import remove_leftovers, write_atomically

__all__ = ["PreparedDataset", "decode_item", "encode_item"]

_SUFFIX = ".pt"
_JUST_USED_S = 600.0


class PreparedDataset(Dataset):
    """Keep each item on the disk as it is before the first random transform; a second training starts at once.

    MONAI's PersistentDataset knows an image by its path and unpickles what it finds. Here an item is known by the
    content of its files, by the parameters of the transforms and by the code of this package, so that nothing stale is
    used and trainings may share a folder; it is read as plain tensors, which cannot run code; and it is written whole
    or not at all. Items are prepared when they are first asked for, by the loader's processes, so that memory stays the
    same however many there are. Of an image's metadata the affine is kept.

    Args:
        data: records. A string or path in them that is a file counts with its name and content.
        transform: a Compose, or its transforms.
        cache_dir: folder for the prepared items, made if it is not there; empty: nothing is kept.
        limit_gb: largest size of the folder. Items that no training has used lately make room for new ones; where that
            is not enough, the rest is prepared anew each time.

    Example:
        >>> from monai.transforms import Lambdad
        >>> PreparedDataset([{"a": 1}], [Lambdad("a", lambda a: a + 1)], cache_dir="")[0]
        {'a': 2}
    """

    def __init__(
        self, data: Sequence[Any], transform: Any, cache_dir: str | Path | None, limit_gb: float = 20.0
    ) -> None:
        super().__init__(list(data), transform if isinstance(transform, Compose) else Compose(transform))
        self.first_random = self.transform.get_index_of_first(
            lambda t: isinstance(t, RandomizableTrait) or not isinstance(t, Transform)
        )
        self.folder = Path(cache_dir) if cache_dir else None
        self.limit = int(limit_gb * 1e9)
        self.names: list[str] = []
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
            self.names = self._name_items(self.folder)
            self._own = set(self.names)
            self._since = time.time() - _JUST_USED_S
            self._size = sum(path.stat().st_size for path in self.folder.glob(f"*{_SUFFIX}"))
            self._is_full = False
            for path in map(self.folder.joinpath, self._own):
                if path.is_file():
                    os.utime(path)

    def _name_items(self, folder: Path) -> list[str]:
        digests = _Digests(folder / "digests.json")
        always = _hash_code() + digests.digest(list(self.transform.transforms[: self.first_random]))
        names = [hashlib.sha256(always + digests.digest(item)).hexdigest()[:40] + _SUFFIX for item in self.data]
        digests.save()
        return names

    def _transform(self, index: int) -> Any:
        item = self._load(index)
        return item if self.first_random is None else self.transform(item, start=self.first_random)

    def _load(self, index: int) -> Any:
        path = None if self.folder is None else self.folder / self.names[index]
        if path is not None and path.is_file():
            try:
                return decode_item(torch.load(path, map_location="cpu", weights_only=True))
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError):
                path.unlink(missing_ok=True)
        encoded = encode_item(self.transform(copy.copy(self.data[index]), end=self.first_random, threading=True))
        if path is not None:
            self._keep(encoded, path)
        return decode_item(encoded)

    def _keep(self, encoded: Any, path: Path) -> None:
        content = io.BytesIO()
        torch.save(encoded, content)
        size = content.getbuffer().nbytes
        if self._is_full or not self._make_room(path.parent, size):
            return
        try:
            with write_atomically(path) as temporary:
                temporary.write_bytes(content.getbuffer())
            self._size += size
        except OSError as error:
            self._stop_keeping(f"prepared images cannot be kept in {path.parent} ({error}); each epoch prepares them")

    def _make_room(self, folder: Path, size: int) -> bool:
        """Remove what no training has used lately, the oldest first, until ``size`` bytes fit."""
        if self._size + size <= self.limit:
            return True
        files = [(path.stat(), path) for path in folder.glob(f"*{_SUFFIX}") if path.name not in self._own]
        for stat, path in sorted(files, key=lambda pair: pair[0].st_mtime):
            if self._size + size <= self.limit or stat.st_mtime > self._since:
                break
            path.unlink(missing_ok=True)
            self._size -= stat.st_size
        if self._size + size > self.limit:
            self._stop_keeping(f"{folder} has reached {self.limit / 1e9:g} GB; the rest is prepared each epoch")
            return False
        return True

    def _stop_keeping(self, why: str) -> None:
        self._is_full = True
        logging.getLogger(__name__).warning(why)


def encode_item(item: Any) -> Any:
    """Turn an item into dictionaries, lists, tensors, numbers and text, which load without running code.

    Raises:
        TypeError: for anything else in it.

    Example:
        >>> import numpy as np
        >>> encode_item({"kl": np.int64(3), "path": "a.png"})
        {'kl': 3, 'path': 'a.png'}
    """
    if isinstance(item, MetaTensor):
        return {"image": item.as_tensor().contiguous().clone(), "affine": torch.as_tensor(item.affine).clone()}
    if isinstance(item, torch.Tensor):
        return item.contiguous().clone()
    if isinstance(item, np.ndarray):
        return {"array": torch.from_numpy(np.ascontiguousarray(item).copy())}
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, Mapping):
        return {str(key): encode_item(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [encode_item(value) for value in item]
    if item is None or isinstance(item, (str, int, float, bool)):
        return item
    raise TypeError(f"a prepared item holds tensors, arrays, numbers and text, got {type(item).__name__}")


def decode_item(encoded: Any) -> Any:
    """Turn what :func:`encode_item` gave into images, arrays and the rest."""
    if isinstance(encoded, dict):
        if encoded.keys() == {"image", "affine"} and isinstance(encoded["image"], torch.Tensor):
            return MetaTensor(encoded["image"], affine=encoded["affine"])
        if encoded.keys() == {"array"}:
            return encoded["array"].numpy()
        return {key: decode_item(value) for key, value in encoded.items()}
    return [decode_item(value) for value in encoded] if isinstance(encoded, list) else encoded


class _Digests:
    """Digests of objects, the files that they name included; those of files are known again by size and time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.known: dict[str, list[Any]] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self.known = {}
        self._files: dict[str, str | None] = {}
        self._objects: dict[int, bytes] = {}
        self._is_changed = False

    def digest(self, value: Any) -> bytes:
        """Compute the digest of a record, or of transforms."""
        if isinstance(value, dict):
            parts = b"".join(repr(key).encode() + self.digest(value[key]) for key in sorted(value, key=repr))
            return hashlib.sha256(parts).digest()
        if id(value) not in self._objects:
            content = io.BytesIO()
            _FilePickler(content, self._describe_file).dump(value)
            digest = hashlib.sha256(content.getvalue()).digest()
            if isinstance(value, (str, int, float, bool, bytes)):
                return digest
            self._objects[id(value)] = digest  # a phantom data set is in the record of each phantom
        return self._objects[id(value)]

    def _describe_file(self, name: str) -> str | None:
        """Name and digest of a file; None for text that is not the path of one."""
        if name not in self._files:
            path = Path(name)
            is_file = 0 < len(name) < 4096 and "\0" not in name and path.is_file()
            self._files[name] = f"{path.name} {self._digest_file(path)}" if is_file else None
        return self._files[name]

    def _digest_file(self, path: Path) -> str:
        stat, key = path.stat(), str(path.absolute())
        if self.known.get(key, [])[:2] != [stat.st_size, stat.st_mtime_ns]:
            self.known[key] = [stat.st_size, stat.st_mtime_ns, hash_file(path)]
            self._is_changed = True
        return str(self.known[key][2])

    def save(self) -> None:
        """Write the digests of files, if there are new ones."""
        if self._is_changed:
            with write_atomically(self.path) as temporary:
                temporary.write_text(json.dumps(self.known), encoding="utf-8")


class _FilePickler(pickle.Pickler):
    """Pickles to be hashed, never loaded: a path of a file becomes what ``describe`` says of it."""

    def __init__(self, file: io.BytesIO, describe: Any) -> None:
        super().__init__(file, protocol=4)
        self.fast = True  # without back references, so that equal objects have equal bytes
        self._describe = describe

    def persistent_id(self, obj: Any) -> str | None:
        """Say what an object is known by in place of its pickle; None for its pickle."""
        if isinstance(obj, str):
            found: str | None = self._describe(obj)
            return found
        return str(self._describe(str(obj)) or obj) if isinstance(obj, Path) else None


@functools.cache
def _hash_code() -> bytes:
    """Digest of this package's code: another version may prepare otherwise."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.digest()
