"""The shipped weights on one drawn knee, written in every way that a hospital may send it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import uid

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import Landmarks
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.pipelines.knee_pa import KneePipeline

WAYS: dict[str, dict[str, Any]] = {
    "implicit little endian": {"transfer_syntax": uid.ImplicitVRLittleEndian},
    "big endian": {"transfer_syntax": uid.ExplicitVRBigEndian},
    "deflated": {"transfer_syntax": uid.DeflatedExplicitVRLittleEndian},
    "RLE": {"transfer_syntax": uid.RLELossless},
    "JPEG-LS": {"transfer_syntax": uid.JPEGLSLossless},
    "JPEG 2000": {"transfer_syntax": uid.JPEG2000Lossless},
    "MONOCHROME1": {"photometric": "MONOCHROME1"},
    "signed": {"signed": True, "rescale": (1, 2048)},
    "16 bits": {"bits_stored": 16},
    "8 bits": {"bits_stored": 8},
    "window": {"attributes": {"WindowCenter": 2000, "WindowWidth": 900}},
    "spacing of the detector alone": {"attributes": {"PixelSpacing": None}},
    "no name of the side": {"attributes": {"ImageLaterality": None}, "side": "L"},
}


@pytest.fixture(scope="module")
def pipeline() -> KneePipeline:
    return KneePipeline.from_bundles(device="cpu")


@pytest.fixture(scope="module")
def knee() -> tuple[np.ndarray, Landmarks]:
    radiograph, landmarks = draw_knee(np.random.default_rng(3), side="L", kl=2, spacing_mm=0.35)
    scaled = (radiograph.pixels - radiograph.pixels.min()) / np.ptp(radiograph.pixels)
    return np.round(scaled * 4095).astype(np.uint16), landmarks


@pytest.fixture(scope="module")
def plain(pipeline: KneePipeline, knee: tuple[np.ndarray, Landmarks], tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("plain") / "knee.dcm"
    write_dicom(path, knee[0], (0.35, 0.35), side="L", view="pa-single")
    landmarks = pipeline.predict(path).knees[0].landmarks
    assert landmarks is not None
    return landmarks.points


def test_the_landmarks_are_right(plain: np.ndarray, knee: tuple[np.ndarray, Landmarks]) -> None:
    errors = np.linalg.norm(plain - knee[1].points, axis=1) * 0.35
    assert errors.mean() < 2.5
    assert errors.max() < 8.0


@pytest.mark.parametrize("way", WAYS)
def test_the_landmarks_are_the_same_in_every_encoding(
    pipeline: KneePipeline, knee: tuple[np.ndarray, Landmarks], plain: np.ndarray, tmp_path: Path, way: str
) -> None:
    settings = {"side": "L", "view": "pa-single", **WAYS[way]}
    bits = settings.get("bits_stored", 12)
    pixels = knee[0] >> 4 if bits == 8 else knee[0] << (bits - 12)
    write_dicom(tmp_path / "x", pixels, (0.35, 0.35), **settings)
    radiograph = read_radiograph(tmp_path / "x", side="L")
    landmarks = pipeline.predict(radiograph).knees[0].landmarks
    assert landmarks is not None
    assert np.abs(landmarks.points - plain).max() < 0.3


def test_a_radiograph_stored_mirrored_gets_points_in_its_own_pixels(
    pipeline: KneePipeline, knee: tuple[np.ndarray, Landmarks], plain: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "x.dcm"
    attributes = {"PatientOrientation": ["R", "F"]}
    write_dicom(path, knee[0][:, ::-1], (0.35, 0.35), side="L", view="pa-single", attributes=attributes)
    radiograph = read_radiograph(path)
    landmarks = pipeline.predict(radiograph).knees[0].landmarks
    assert landmarks is not None
    stored = radiograph.to_stored_px(landmarks.points)
    expected = plain * [-1, 1] + [knee[0].shape[1] - 1, 0]
    assert np.abs(stored - expected).max() < 0.3
