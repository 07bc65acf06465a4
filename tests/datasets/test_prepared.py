"""Prepared items: done once, never stale, safe to read, whole or not there, and no more than the limit."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandScaleIntensityd, Transform

from kneebundle.datasets.prepared import PreparedDataset, decode_item, encode_item

calls: list[str] = []


class ReadText(Transform):
    """A deterministic step: the length of a file times a factor, as an image; counts how often it ran."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, data: Any) -> dict[str, Any]:
        calls.append(Path(data["image"]).name)
        size = len(Path(data["image"]).read_text())
        image = MetaTensor(torch.full((1, 2, 2), self.factor * size), affine=torch.diag(torch.tensor([2.0, 3, 1, 1])))
        return {"image": image, "landmarks": np.arange(4.0).reshape(2, 2), "kl": np.int64(2), "path": data["image"]}


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@pytest.fixture
def records(tmp_path: Path) -> list[dict[str, Any]]:
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(3):
        (folder / f"{k}.txt").write_text("x" * (k + 1))
    return [{"image": str(folder / f"{k}.txt"), "points": np.full(2, k)} for k in range(3)]


def prepared(records: list[dict[str, Any]], folder: Path | str, factor: float = 1.0, **options: Any) -> PreparedDataset:
    return PreparedDataset(records, [ReadText(factor), RandScaleIntensityd("image", 0.5, prob=1.0)], folder, **options)


def read_all(dataset: PreparedDataset) -> list[float]:
    """The images, each drawn with the same random numbers."""
    values = []
    for k in range(len(dataset)):
        dataset.transform.set_random_state(0)
        values.append(float(dataset[k]["image"].mean()))
    return values


def test_a_second_training_prepares_nothing_and_sees_the_same(records: list[dict[str, Any]], tmp_path: Path) -> None:
    without = read_all(prepared(records, ""))
    assert len(calls) == 3
    assert read_all(prepared(records, tmp_path / "cache")) == without
    assert len(calls) == 6
    assert read_all(prepared(records, tmp_path / "cache")) == without
    assert len(calls) == 6


def test_random_steps_are_drawn_anew_and_the_rest_stays(records: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = prepared(records, tmp_path / "cache")
    first, second = dataset[1], dataset[1]
    assert float(first["image"].mean()) != float(second["image"].mean())
    assert first["image"].affine.tolist() == [[2, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert first["landmarks"].tolist() == [[0, 1], [2, 3]] and first["kl"] == 2


def test_a_moved_data_set_is_known_again(records: list[dict[str, Any]], tmp_path: Path) -> None:
    read_all(prepared(records, tmp_path / "cache"))
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    moved = [{**r, "image": str(tmp_path / "elsewhere" / Path(r["image"]).name)} for r in records]
    read_all(prepared(moved, tmp_path / "cache"))
    assert len(calls) == 3


@pytest.mark.parametrize("change", ["content", "record", "transform"])
def test_nothing_stale_is_used(change: str, records: list[dict[str, Any]], tmp_path: Path) -> None:
    read_all(prepared(records, tmp_path / "cache"))
    if change == "content":
        Path(records[1]["image"]).write_text("yy")  # as long as before
        os.utime(records[1]["image"], ns=(0, 0))
    elif change == "record":
        records[1]["points"] = np.full(2, 7)
    calls.clear()
    read_all(prepared(records, tmp_path / "cache", factor=2.0 if change == "transform" else 1.0))
    assert calls == (["0.txt", "1.txt", "2.txt"] if change == "transform" else ["1.txt"])


def test_a_damaged_file_is_prepared_again(records: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset = prepared(records, tmp_path / "cache")
    before = read_all(dataset)
    for damage in (b"", b"PK\x03\x04 half a file", pickle.dumps({"image": 1})):
        for path in (tmp_path / "cache").glob("*.pt"):
            path.write_bytes(damage)
        assert read_all(dataset) == before


def test_reading_runs_no_code(records: list[dict[str, Any]], tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    dataset = prepared(records, tmp_path / "cache")
    torch.save({"image": Bomb()}, tmp_path / "cache" / dataset.names[0])
    assert float(dataset[0]["image"].mean()) > 0
    assert not (tmp_path / "exploded").exists()


def test_what_cannot_be_stored_plainly_is_an_error_not_a_pickle(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="got object"):
        encode_item({"image": object()})


def test_the_folder_stays_within_the_limit(
    records: list[dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    size = _prepare_one(records, cache)
    dataset = prepared(records, cache, factor=2.0, limit_gb=2.5 * size / 1e9)
    with caplog.at_level(logging.WARNING):
        read_all(dataset)
    assert len(list(cache.glob("*.pt"))) == 2, "the one in use lately, and one of the new ones"
    assert "the rest is prepared each epoch" in caplog.text


def test_what_no_training_used_lately_makes_room(records: list[dict[str, Any]], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    size = _prepare_one(records, cache)
    (old,) = cache.glob("*.pt")
    os.utime(old, (0, 0))
    read_all(prepared(records, cache, factor=2.0, limit_gb=3.5 * size / 1e9))
    assert not old.exists() and len(list(cache.glob("*.pt"))) == 3


def test_a_folder_that_cannot_be_written_to_costs_time_only(
    records: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = prepared(records, tmp_path / "cache")

    def fail(path: Path) -> Any:
        raise OSError("no space left on device")

    monkeypatch.setattr("kneebundle.datasets.prepared.write_atomically", fail)
    with caplog.at_level(logging.WARNING):
        assert len(read_all(dataset)) == 3
    assert caplog.text.count("no space left on device") == 1


def test_an_item_comes_back_as_it_was() -> None:
    item: dict[str, Any] = {
        "a": torch.arange(6).reshape(2, 3).T,
        "b": [1, "x", None, True, 2.5],
        "c": {"d": np.array([1.5])},
    }
    again = decode_item(encode_item(item))
    assert torch.equal(again["a"], item["a"]) and again["b"] == item["b"]
    assert again["c"]["d"].dtype == np.float64 and again["c"]["d"].tolist() == [1.5]


def test_a_phantom_is_known_by_its_place_and_seed(tmp_path: Path) -> None:
    from kneebundle.phantoms.collection import phantom_records
    from kneebundle.phantoms.pa.knee import PhantomKnees

    def names(seed: int) -> list[str]:
        records = phantom_records(lambda count: PhantomKnees(count, seed), "training", 3)
        return PreparedDataset(records, Compose([]), tmp_path / "cache").names

    assert len(set(names(0))) == 3
    assert names(0) == names(0)
    assert not set(names(0)) & set(names(1))


def _prepare_one(records: list[dict[str, Any]], cache: Path) -> int:
    prepared(records[:1], cache)[0]
    (path,) = cache.glob("*.pt")
    return path.stat().st_size
