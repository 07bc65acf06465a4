"""What is damaged by :mod:`kneebundle.evaluation.fuzzing`, and who reads it.

Each function is given a folder, writes whole files into ``seeds`` of it, and gives them with what is called with a
damaged copy of one, whose name ends with that of the whole file. Predictions are made without networks: what a damaged
file does to a network is nothing that a damaged picture could not do.
"""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.fuzzing import Reader
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.results import KneeResult, ModelInfo, RadiographResult

__all__ = [
    "open_annotation_server",
    "open_bundles",
    "open_exchanged",
    "open_folders",
    "open_images",
    "open_predictions",
    "open_tables",
]

Opened = tuple[list[Path], Reader]

_SPACING = 0.3
_ALL = ("json", "csv", "png", "html", "sr", "gsps", "slicer", "pts", "via", "coco", "label-studio")
_ANSWER_S = 9.0


class MiddlePipeline:
    """Predicts 16 landmarks in the middle of every radiograph, without networks."""

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult]:
        """The predictions."""
        return [self._predict(radiograph) for radiograph in radiographs]

    def _predict(self, radiograph: Radiograph) -> RadiographResult:
        size = np.array([radiograph.columns, radiograph.rows])
        points = size * (0.3 + 0.4 * np.random.default_rng(0).random((len(KNEE_PA), 2)))
        found = Landmarks(points, "px", confidence=np.full(len(KNEE_PA), 0.9))
        width = Measurement("tibial_plateau_width", 70.0, "mm", None, (), "landmarks", "")
        center = (float(size[0] / 2), float(size[1] / 2))
        knee = KneeResult(radiograph.side or "R", center, 140.0, found, measurements={width.name: width})
        return RadiographResult(radiograph, (knee,), (ModelInfo("none", "0", "0" * 64),))


def open_images(folder: Path) -> Opened:
    """Images of every format, to be read."""
    from kneebundle.io.reading import read_radiograph

    seeds = _write_images(folder / "seeds")
    shutil.copy(folder / "seeds" / "plain.raw", folder / "damaged")  # a damaged header points to it
    return seeds, lambda path: read_radiograph(path, spacing_mm=_SPACING)


def open_predictions(folder: Path) -> Opened:
    """The same images, to be predicted on and written in all formats."""
    seeds = _write_images(folder / "seeds")
    shutil.copy(folder / "seeds" / "plain.raw", folder / "damaged")
    return seeds, lambda path: _predict([path], _empty(folder / "out"), _ALL)


def open_tables(folder: Path) -> Opened:
    """Manifests, labels of PA and lateral knees, and annotations of KNEEL."""
    from kneebundle.batch.manifest import read_manifest
    from kneebundle.batch.request import ImageRequest
    from kneebundle.batch.run import predict_images
    from kneebundle.datasets.kneel_annotations import read_annotations
    from kneebundle.evaluation.landmarks import compare, summarize
    from kneebundle.evaluation.planning_truth import read_rated_radiographs

    seeds, out = folder / "seeds", folder / "predicted"
    seeds.mkdir(parents=True, exist_ok=True)
    names = [f"knee{number}.png" for number in range(3)]
    for place in (folder / "images", folder / "damaged"):
        for number, name in enumerate(names):
            _write_png(place / name, number)
    requests = [ImageRequest(folder / "images" / name, "R", _SPACING) for name in names]
    predict_images(requests, out, MiddlePipeline)
    points = ",".join(f"{10 + number}.5,{20 + number}" for number in range(16))
    header = ",".join(f"x{number},y{number}" for number in range(16))
    (seeds / "truth.csv").write_text(
        f"image,side,spacing_mm,kl,{header}\n" + "".join(f"{name},R,0.3,{n},{points}\n" for n, name in enumerate(names))
    )
    (seeds / "truth_semicolon.csv").write_text((seeds / "truth.csv").read_text().replace(",", ";").replace(".5", ",5"))
    (seeds / "points.csv").write_text(
        "image,spacing_mm,p_blum_x,p_blum_y,p_tmc_x,p_tmc_y,p_prox_x,p_prox_y,p_dist_x,p_dist_y,rater,suitable\n"
        + "".join(f"{name},0.3,1.5,2,3,4,5,6,7,8,a,1\n" for name in names)
    )
    (seeds / "manifest.csv").write_text(
        "path,side,spacing_mm,view\n" + "".join(f"{name},R,0.3,pa-single\n" for name in names)
    )
    numbers = [",".join(map(str, range(count))) for count in (18, 14, 4, 2)]
    cells = ",".join(f'"{number}"' for number in numbers)
    (seeds / "annotations.csv").write_text(
        "subject_id,side,kl,tibia,femur,bbox,center\n" + "".join(f"900{n},R,2,{cells}\n" for n in range(3))
    )

    def read(path: Path) -> object:
        if path.name.endswith("annotations.csv"):
            return read_annotations(path)
        if path.name.endswith("points.csv"):
            return read_rated_radiographs([path])
        if path.name.endswith("manifest.csv"):
            made = _empty(folder / "out")
            return _check(predict_images(read_manifest(path, made), made, MiddlePipeline).errors, made)
        return summarize(compare(out, path))

    return sorted(seeds.iterdir()), read


def open_exchanged(folder: Path) -> Opened:
    """Landmarks in the formats of other programs, to be converted to a table."""
    from kneebundle.exchange import FORMATS, Context, Images, read_file

    _write_images(folder / "all")
    film = Path(shutil.copy(folder / "all" / "plain.dcm", _empty(folder / "images")))  # alone of its stem
    _predict([film], _empty(folder / "seeds"), _ALL)
    seeds = [path for path in (folder / "seeds").iterdir() if path.suffix in (".json", ".pts", ".dcm", ".csv")]
    seeds = [path for path in seeds if path.name not in ("errors.csv", "images.csv", "measurements.csv")]
    context = Context(Images([folder / "images"], spacing_mm=_SPACING))
    FORMATS["via-json"].write([json.loads((folder / "seeds/plain.json").read_text())], folder / "via.json", context)

    def read(path: Path) -> object:
        named = _empty(folder / "in") / path.name.split("_", 2)[2]  # a markup is looked for by its name
        shutil.copy(path, named)
        documents = read_file(named, None, context)
        for name in ("csv", "truth", "coco"):
            FORMATS[name].write(documents, folder / f"out_{name}", context)
        return documents

    return [*sorted(seeds), folder / "via.json"], read


def open_folders(folder: Path) -> Opened:
    """What lies in an output folder: records, notes, tables, corrections. The next run must cope with it."""
    from kneebundle.annotation import PredictedFilms, read_corrections
    from kneebundle.batch.standardized import find_records

    images = [_write_png(folder / "images" / f"knee{number}.png", number) for number in range(3)]
    template = _empty(folder / "template")
    _predict(images, template, ("json", "csv", "html"))
    points = [{"name": name, "x_px": 10.0 + n, "y_px": 20.0} for n, name in enumerate(KNEE_PA.names)]
    knee = {"side": "R", "status": "corrected", "reason": "", "landmarks": points}
    record = json.loads((template / "knee0.json").read_text())
    correction = {"schema": "kneebundle/corrections/1", "revision": 1, "saved_at": "", "rater": "a", "knees": [knee]}
    correction |= {"status": "corrected", "prediction": {}}
    (template / "corrections").mkdir()
    (template / "corrections/knee0.json").write_text(json.dumps({**correction, "image": record["image"]}))
    seeds = folder / "seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir()
    for path in template.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".csv"):
            shutil.copy(path, seeds / "@".join(path.relative_to(template).parts))

    def read(path: Path) -> object:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(template, out)
        shutil.copy(path, out / path.name.split("_", 2)[2].replace("@", "/"))
        done = _predict(images, out, ("json", "csv", "html"))
        PredictedFilms(out).scan()
        find_records(out)
        return done, read_corrections(out / "corrections")

    return sorted(seeds.iterdir()), read


def open_bundles(folder: Path) -> Opened:
    """Configurations, which are not trusted when they are changed, and weights."""
    import torch

    from kneebundle.bundles import find_bundle_root, find_installed_bundle, list_bundles
    from kneebundle.inferers.bundle_networks import load_bundle_config, load_weights
    from kneebundle.trust import check_trust

    name, seeds = "knee_quality_check", folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(4, 2))
    torch.save(network.state_dict(), seeds / "model.pt")
    original = find_installed_bundle(name)
    for path in original.glob("configs/*.json"):
        shutil.copy(path, seeds)

    def read(path: Path) -> object:
        if path.suffix == ".pt":
            load_weights(network, path)
            return None
        root = _empty(folder / "bundles") / name
        shutil.copytree(original / "configs", root / "configs")
        shutil.copy(path, root / "configs" / path.name.split("_", 2)[2])
        list_bundles(root.parent)
        find_bundle_root(name, root.parent)
        check_trust(root.parent)
        return load_bundle_config(root, torch.device("cpu"))

    return sorted(seeds.iterdir()), read


def open_annotation_server(folder: Path) -> Opened:
    """Requests to the server of ``kneebundle annotate``, as bytes."""
    from kneebundle.annotation.server import AnnotationServer

    out, token = _empty(folder / "out"), "token"
    _predict([_write_png(folder / "images" / f"knee{number}.png", number) for number in range(2)], out, ("json", "csv"))
    server = AnnotationServer(out, 0, "fuzz")
    server.token = token
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    points = [[10.0 + n, 20.0] for n in range(len(KNEE_PA))]
    item = {"side": "R", "status": "accepted", "reason": "", "points": points}
    body = json.dumps({"revision": 0, "status": "accepted", "items": [item]})
    requests = {
        "page": f"GET /{token}/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "films": f"GET /{token}/films HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "film": f"GET /{token}/films/knee0 HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "image": f"GET /{token}/films/knee0/image?low=0&high=255.5 HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "save": f"POST /{token}/films/knee0 HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
    }
    seeds = write_requests(folder / "seeds", requests)
    return seeds, lambda path: send_request(path.read_bytes().replace(b"HOST", host.encode()), server.server_port)


def write_requests(folder: Path, requests: dict[str, str]) -> list[Path]:
    """Write HTTP requests as files; ``HOST`` in them stands for the address of the server."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in requests.items():
        (folder / f"{name}.http").write_bytes(text.encode())
    return sorted(folder.glob("*.http"))


def send_request(content: bytes, port: int, hidden: Sequence[str] = (), seconds: float = _ANSWER_S) -> bytes:
    """Send bytes to a server of this machine and read its answer.

    Args:
        content: of the request; the length that it states is set right where it states one.
        port: of the server.
        hidden: texts that no answer may hold.
        seconds: that an answer may take.

    Raises:
        KneeBundleError: for a status of 400 or above, the line that it says.
        AssertionError: if there is no answer in time, it says that the server failed, or holds what is hidden.
    """
    head, separator, body = content.partition(b"\r\n\r\n")
    lines = [
        b"Content-Length: %d" % len(body) if x.lower().startswith(b"content-length:") else x
        for x in head.split(b"\r\n")
    ]
    content = b"\r\n".join(lines) + separator + body
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        answer = b""
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass  # what is no request may be hung up on
        except TimeoutError as error:
            raise AssertionError("no answer") from error
    if not answer:
        raise KneeBundleError("the server hung up")
    said = answer.decode("utf-8", "replace")
    status = int(said.split(" ", 2)[1]) if said.startswith("HTTP/") else 200
    reason = said.partition("\r\n\r\n")[2].strip()
    if (status >= 500 and status not in (501, 505)) or "Traceback" in said or any(text in said for text in hidden):
        raise AssertionError(f"status {status}: {reason[:200]}")
    if status >= 400:
        raise KneeBundleError(_find_reason(reason))
    return answer


def _find_reason(body: str) -> str:
    """The line that an answer says; it may hold more, such as what somebody else saved."""
    try:
        content = json.loads(body)
        return str(content.get("error") or content.get("detail") or body)
    except (ValueError, AttributeError):
        return body


def _predict(paths: Sequence[Path], out: Path, formats: tuple[str, ...]) -> object:
    from kneebundle.batch.engine import RunOptions
    from kneebundle.batch.request import ImageRequest
    from kneebundle.batch.run import predict_images

    requests = [ImageRequest(path, "R", _SPACING) for path in paths]
    return _check(predict_images(requests, out, MiddlePipeline, RunOptions(formats, workers=1)).errors, out)


def _check(errors: Sequence[tuple[str, str]], out: Path) -> object:
    """Give the error of an image as an error; all files that were written must be whole."""
    for path in out.rglob("*.json"):
        if not {".kneebundle", "corrections"} & set(path.parts):
            json.loads(path.read_text(encoding="utf-8"))
    for _, reason in errors:
        raise KneeBundleError(reason)
    return out


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _draw() -> np.ndarray:
    rows, columns = np.mgrid[:120, :100].astype(float)
    return (600 + 8 * rows + 5 * columns + 1200 * (np.hypot(columns - 50, rows - 60) < 30)).astype(np.uint16)


def _write_png(path: Path, number: int) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((_draw() >> 4) + number).astype(np.uint8)).save(path)
    return path


def _write_images(folder: Path) -> list[Path]:
    """Write a small file of each format that is read, and of one that is not."""
    import nibabel
    from PIL import Image
    from pydicom import uid

    from kneebundle.io.dicom_writing import write_dicom

    folder.mkdir(parents=True, exist_ok=True)
    grey = _draw()
    syntaxes = {
        "plain": uid.ExplicitVRLittleEndian,
        "implicit": uid.ImplicitVRLittleEndian,
        "big": uid.ExplicitVRBigEndian,
        "deflated": uid.DeflatedExplicitVRLittleEndian,
        "rle": uid.RLELossless,
        "jls": uid.JPEGLSLossless,
        "j2k": uid.JPEG2000Lossless,
    }
    for name, syntax in syntaxes.items():
        write_dicom(folder / f"{name}.dcm", grey, (0.3, 0.3), transfer_syntax=syntax)
    eight = (grey >> 4).astype(np.uint8)
    pictures: dict[str, Callable[[], Any]] = {
        "grey.png": lambda: Image.fromarray(eight),
        "grey16.png": lambda: Image.fromarray(grey),
        "grey.jpg": lambda: Image.fromarray(eight),
        "colour.jpg": lambda: Image.fromarray(np.stack([eight] * 3, axis=-1)),
        "grey.tif": lambda: Image.fromarray(eight),
    }
    for name, make in pictures.items():
        make().save(folder / name)
    image = nibabel.Nifti1Image(np.ascontiguousarray(grey.T)[..., None], np.diag([-0.3, -0.3, 1, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / "plain.nii")
    (folder / "packed.nii.gz").write_bytes(gzip.compress((folder / "plain.nii").read_bytes()))
    header = (
        "ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = False\nElementSpacing = 0.3 0.3\n"
    )
    header += "DimSize = 100 120\nElementType = MET_USHORT\nElementDataFile = "
    (folder / "plain.mha").write_bytes(f"{header}LOCAL\n".encode() + grey.tobytes())
    colour = header.replace("MET_USHORT", "MET_UCHAR").replace("Element", "ElementNumberOfChannels = 3\nElement", 1)
    (folder / "colour.mha").write_bytes(f"{colour}LOCAL\n".encode() + np.stack([eight] * 3, axis=-1).tobytes())
    (folder / "plain.mhd").write_bytes(f"{header}plain.raw\n".encode())
    (folder / "plain.raw").write_bytes(grey.tobytes())
    return sorted(path for path in folder.iterdir() if path.suffix != ".raw")
