"""The command convert: what it takes for what, where it writes, and what it says when it cannot."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle import exchange
from kneebundle.annotation import CORRECTIONS_SCHEMA
from kneebundle.cli import main
from kneebundle.exchange import Images, Mark, list_marks, make_document, read_facts
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import KNEE_PA
from kneebundle.reports.csv_tables import write_landmarks

MARKS = [Mark(side, name, 3.5 + i, 20.25 + i, 0.5) for side in "RL" for i, name in enumerate(KNEE_PA.names)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An output folder of predict over two DICOM films of the same stem, in ``in``."""
    documents: list[dict[str, Any]] = []
    for visit in ("baseline", "year 4"):
        film = tmp_path / "in" / visit / "film.dcm"
        film.parent.mkdir(parents=True)
        pixels = np.eye(60, 50, len(documents), dtype=np.uint16)  # another image has another identity
        write_dicom(film, pixels, (0.5, 0.25), side="R", view="pa-single")
        facts = Images().complete(read_facts({"image": {"path": str(film)}}))
        documents.append(make_document(facts, MARKS if visit == "baseline" else MARKS[:16]))
        name = f"{visit}_film.json"
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text(json.dumps(documents[-1]))
    write_landmarks(documents, tmp_path / "out" / "landmarks.csv")
    (tmp_path / "out" / "errors.csv").write_text("path,reason\n")
    return tmp_path / "out"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["convert", *map(str, arguments)])
    return int(ended.value.code or 0)


def load(path: Path) -> list[Any]:
    return [list_marks(json.loads(file.read_text())) for file in sorted(path.glob("*.json"))]


@pytest.mark.parametrize("name", ["csv", "via", "via-json", "coco", "label-studio", "slicer", "sr"])
def test_a_folder_there_and_back(folder: Path, name: str) -> None:
    images = ("--images", folder.parent / "in")
    suffix = {"csv": ".csv", "via": ".csv", "via-json": ".json", "coco": ".json", "label-studio": ".json"}.get(name, "")
    middle = folder.parent / f"middle{suffix}"
    assert run(folder, middle, "--to", name, *images) == 0
    assert run(middle, folder.parent / "back", "--to", "json", *images) == 0
    assert sorted(file.name for file in (folder.parent / "back").iterdir()) == [
        "baseline_film.json",
        "year 4_film.json",
    ]
    assert load(folder.parent / "back") == load(folder)


def test_the_name_of_the_output_says_the_format(folder: Path) -> None:
    film = folder / "year 4_film.json"
    for name in ("a.mrk.json", "a_R.pts", "a_sr.dcm", "a_gsps.dcm", "a.csv", "a_via.csv", "a_coco.json", "truth.csv"):
        if name != "a_R.pts":
            assert run(film, folder.parent / "new" / name) == 0
            assert (folder.parent / "new" / name).is_file()
    assert run(film, folder.parent / "new" / "a.pts") == 0
    assert (folder.parent / "new" / "a_R.pts").is_file()


def test_what_is_there_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder.parent / "a_coco.json"
    assert run(folder, target) == 0
    assert run(folder, target) == 2
    assert "it is there already; use --overwrite for that" in capsys.readouterr().err
    assert run(folder, target, "--overwrite") == 0
    assert run(folder, folder, "--to", "json") == 2, "the predictions themselves"


def test_corrected_points_are_taken_where_they_are_asked_for(folder: Path) -> None:
    for name, status in (("baseline_film", "corrected"), ("year 4_film", "rejected")):
        prediction = json.loads((folder / f"{name}.json").read_text())
        points = [{"id": i, "name": n, "x_px": 1.5, "y_px": i, "visible": True} for i, n in enumerate(KNEE_PA.names)]
        points[3] |= {"x_px": None, "y_px": None, "visible": False}
        knee = {"side": "L", "status": status, "reason": "", "added": False, "landmarks": points}
        content = {"schema": CORRECTIONS_SCHEMA, "revision": 1, "image": prediction["image"], "knees": [knee]}
        content |= {"rater": "", "saved_at": "", "software": "", "prediction": {}, "status": status}
        (folder / "corrections").mkdir(exist_ok=True)
        (folder / "corrections" / f"{name}.json").write_text(json.dumps(content))
    assert run(folder, folder.parent / "json", "--to", "json") == 0
    assert load(folder.parent / "json") == load(folder), "a correction is no prediction"
    assert run(folder, folder.parent / "corrected", "--to", "json", "--from", "corrections") == 0
    corrected, rejected = load(folder.parent / "corrected")
    assert corrected == [Mark("L", name, 1.5, float(i)) for i, name in enumerate(KNEE_PA.names) if i != 3]
    assert rejected == []


def test_hidden_records_count_where_nothing_else_is_there(folder: Path) -> None:
    expected = load(folder)
    (folder / "landmarks.csv").unlink()
    (folder / ".records").mkdir()
    for file in folder.glob("*.json"):
        file.rename(folder / ".records" / file.name)
    assert run(folder, folder.parent / "new", "--to", "json") == 0
    assert load(folder.parent / "new") == expected


def test_lateral_films_have_no_place_among_labels_of_knees_from_the_front(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = read_facts({"image": {"path": "lateral.png", "rows": 9, "columns": 9, "spacing_mm": [1, 1]}})
    (folder / "lateral.json").write_text(json.dumps(make_document(facts, [Mark("R", "p_tmc", 1.5, 2.5)])))
    assert run(folder, folder.parent / "truth.csv") == 0
    said = capsys.readouterr()
    assert "left out lateral.png" in said.err
    assert "2 images in" in said.out


def test_a_file_that_has_no_place_for_anything_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = read_facts({"image": {"path": "lateral.png", "rows": 9, "columns": 9, "spacing_mm": [1, 1]}})
    (tmp_path / "lateral.json").write_text(json.dumps(make_document(facts, [Mark("R", "p_tmc", 1.5, 2.5)])))
    assert run(tmp_path / "lateral.json", tmp_path / "truth.csv", "--to", "truth") == 2
    assert "choose another --to" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lateral.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("OUT", "NEW"), "say with --to what"),
        (("OUT", "NEW/a.csv", "--to", "tiff"), "'tiff' is not one of"),
        (("OUT", "NEW/a.json"), "IN has 2 images and json is a file for each; give a folder as OUT"),
        (("none.csv", "NEW/a.csv"), "there is no such file"),
        (("OUT/errors.csv", "NEW/a.json"), "no landmarks in a known format"),
        (("EMPTY", "NEW/a.csv"), "no file with landmarks"),
        (("MIXED", "NEW/a.csv"), "files of several formats (csv, truth); one is needed; say which with --from"),
        (("OUT", "OUT/errors.csv", "--to", "json"), "this is a file, and a folder is needed"),
        (
            ("ALONE", "NEW/a_sr.dcm"),
            "the image is not there, and a structured report refers to it; ",
        ),
        (("ALONE", "NEW/a_label_studio.json"), "the size of the image is not known"),
        (
            ("ALONE", "NEW/truth.csv"),
            "the size of a pixel is not known, and the table needs it; give it with --spacing",
        ),
    ],
)
def test_a_call_that_cannot_be_done_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    places = {
        "OUT": folder,
        "NEW": folder.parent / "new",
        "EMPTY": folder.parent / "empty",
        "MIXED": folder.parent / "m",
    }
    for place in ("EMPTY", "MIXED"):
        places[place].mkdir()
    places["ALONE"] = folder.parent / "alone.json"
    alone = make_document(read_facts({"image": {"path": "gone.dcm"}}), MARKS)
    places["ALONE"].write_text(json.dumps(alone))
    (places["MIXED"] / "a.csv").write_bytes((folder / "landmarks.csv").read_bytes())
    (places["MIXED"] / "b.csv").write_text(",".join(["image", "side", "spacing_mm", *KNEE_PA.columns]) + "\n")
    call = [
        str(places[parts[0]].joinpath(*parts[1:])) if (parts := argument.split("/"))[0] in places else argument
        for argument in arguments
    ]
    assert run(*call) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not (folder.parent / "new" / Path(call[1]).name).exists()


def test_a_conversion_that_fails_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = exchange.write_image
    done: list[Any] = []

    def write(*arguments: Any) -> None:
        if done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)
        done.append(arguments)

    monkeypatch.setattr(exchange, "write_image", write)
    assert run(folder, tmp_path / "made/pts", "--to", "pts") == 1
    assert done and not (tmp_path / "made").exists()
