"""The registration bundle with its weights: by parts or by normalised cross-correlation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from kneebundle.bundles import find_bundle_root
from kneebundle.errors import KneeBundleError
from kneebundle.inferers.bundle_networks import find_weights, load_bundle_config, load_weights
from kneebundle.inferers.devices import choose_device
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_PA
from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import similarity_matrix, transform_points
from kneebundle.radiograph import Radiograph, Side
from kneebundle.registration.energies import NccObjective
from kneebundle.registration.inferer import RegistrationInferer
from kneebundle.registration.optimiser import register
from kneebundle.registration.result import RegistrationResult, find_image_frame, make_registration_result
from kneebundle.transforms.points import normalized_to_world
from kneebundle.transforms.roi import crop_roi

__all__ = ["LOSSES", "NO_SPACING_MM", "RegistrationModel", "read_crop"]

REGISTRATION_BUNDLE = "knee_parts_registration"
LOSSES = ("parts", "ncc")
CROP_MM = 105.0
"""Edge of the crop of a radiograph that is registered: as much knee as in the crops that the parts were selected on."""
NO_SPACING_MM = 1.0
"""Taken for images that carry no pixel size: a registration is in fractions of the image, so mm do not matter."""
LEAST_CORRELATION = 0.3
"""A template that correlates less with the best patch was not found."""


def read_crop(path: Path, side: Side | None = None, spacing_mm: float | None = None) -> Radiograph:
    """Read an image that is to be registered, or to be a reference; it needs no size of a pixel.

    Raises:
        KneeBundleError: as :func:`kneebundle.io.reading.read_radiograph`.
    """
    return read_radiograph(path, spacing_mm=NO_SPACING_MM if spacing_mm is None else spacing_mm, side=side)


class RegistrationModel:
    """Registers rough crops of a knee onto a reference.

    A crop of unknown side is tried as a right and as a left knee; the lower energy decides.

    Args:
        root: folder of the bundle.
        device: where it runs.
        loss: ``"parts"`` or ``"ncc"``.
        reference: a crop of a knee to register onto, instead of the parts that the bundle carries; ``"ncc"`` needs one.
            The places of the parts stay those of the bundle.
        settings: other values for keys of inference.json.
        weights: another file than the bundle's own.

    Raises:
        KneeBundleError: if the bundle has no configuration or no weights, or the reference is missing.
    """

    def __init__(
        self,
        root: Path,
        device: torch.device,
        loss: str = "parts",
        reference: Radiograph | None = None,
        settings: Mapping[str, Any] | None = None,
        weights: Path | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise KneeBundleError(f"a registration's loss is one of {', '.join(LOSSES)}, got {loss!r}", field="loss")
        if loss == "ncc" and reference is None:
            raise KneeBundleError("cross-correlation needs a crop of a knee as its reference", field="reference")
        parser = load_bundle_config(root, device, settings)
        self.device = device
        self.loss = loss
        self.prepare = Compose(parser.get_parsed_content("region_transforms"))
        self.inferer: RegistrationInferer = parser.get_parsed_content("registration")
        self.network: PartsNet = parser.get_parsed_content("network_def")
        load_weights(self.network, weights or find_weights(root)[0])
        self.network.to(device).eval()
        self.template: torch.Tensor | None = None
        if reference is not None:
            self.template = self.prepare_image(reference.to_metatensor(), reference.side or "R").unsqueeze(0).to(device)
            self.network.set_reference(self.template)
            self.network.settle()
            self.network.landmarks.fill_(torch.nan)  # those of the bundle's reference

    @classmethod
    def from_bundles(
        cls,
        bundles: Path | None = None,
        device: str = "auto",
        loss: str = "parts",
        reference: Path | None = None,
        reference_side: Side | None = None,
    ) -> RegistrationModel:
        """Load the bundle that came with the package, or that of another folder.

        Args:
            bundles: a folder with bundles; None: those installed.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            loss: see the class.
            reference: file of a crop of a knee to register onto.
            reference_side: its side; None: from the file, or else right.

        Raises:
            KneeBundleError: if the bundle, its weights, the device or the reference is not there.
        """
        root = find_bundle_root(REGISTRATION_BUNDLE, bundles)
        template = None if reference is None else read_crop(reference, reference_side)
        return cls(root, choose_device(device), loss, template)

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RegistrationResult]:
        """Register crops, all of them at once."""
        started = time.perf_counter()
        if not radiographs:
            return []
        tensors = [radiograph.to_metatensor() for radiograph in radiographs]
        tried = [(i, side) for i, r in enumerate(radiographs) for side in ([r.side] if r.side else ["R", "L"])]
        images = [self.prepare_image(tensors[i], side) for i, side in tried]
        found = self.find(torch.stack([image.as_subclass(torch.Tensor) for image in images]))
        seconds = (time.perf_counter() - started) / len(radiographs)
        results = []
        for number, radiograph in enumerate(radiographs):
            best = min((k for k, (i, _) in enumerate(tried) if i == number), key=lambda k: float(found["energy"][k]))
            one = {**{name: values[best] for name, values in found.items()}, "seconds": torch.tensor(seconds)}
            frame = find_image_frame(tensors[number], radiograph)
            results.append(make_registration_result(images[best], frame, tried[best][1], radiograph.path, one))
        return results

    def find_joint_centers(self, items: Sequence[dict[str, Any]]) -> list[np.ndarray | None]:
        """Find where the tibial centre of the reference comes to lie on radiographs.

        Args:
            items: each with ``image`` (the radiograph as MetaTensor (1, H, W)), ``center_mm`` (x, y), roughly the
                joint, and ``side``.

        Returns:
            (x, y) in mm of each radiograph; None where nothing was registered.

        Raises:
            KneeBundleError: if the landmarks of the reference are not known.
        """
        joint = self.network.landmarks[KNEE_PA.center : KNEE_PA.center + 1].double().cpu()
        if not bool(torch.isfinite(joint).all()):
            raise KneeBundleError(
                "the landmarks of this reference are not known; the bundle's own parts are needed", field="reference"
            )
        if not items:
            return []
        crops = [crop_roi(item["image"], item["center_mm"], CROP_MM, CROP_MM / 224, "edge") for item in items]
        images = [self.prepare_image(crop, item["side"]) for crop, item in zip(crops, items, strict=True)]
        found = self.find(torch.stack([image.as_subclass(torch.Tensor) for image in images]))
        centers: list[np.ndarray | None] = []
        for image, theta, registered in zip(images, found["theta"], found["registered"], strict=True):
            place = transform_points(similarity_matrix(theta.double().cpu()), joint)
            centers.append(normalized_to_world((place + 1) / 2, image)[0].numpy() if bool(registered) else None)
        return centers

    def prepare_image(self, image: MetaTensor, side: str) -> MetaTensor:
        """Prepare an image, (1, H, W), for the parts: square, left knees mirrored, in [-1, 1]."""
        return self.prepare({"image": image, "side": side})["image"]

    def find(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Find the transforms of prepared crops (B, 1, S, S); the keys are those of :class:`RegistrationInferer`.

        Where nothing was registered, theta is the best that was found.
        """
        images = images.to(self.device)
        if self.loss == "parts":
            return self.inferer(images, self.network)
        assert self.template is not None
        started = time.perf_counter()
        found = register(
            NccObjective(self.template, images), len(images), reach=self.inferer.reach, stages=self.inferer.stages
        )
        return {
            "theta": found.theta,
            "matrix": found.matrix,
            "energy": found.energy,
            "agreement": found.agreement,
            "registered": found.energy <= -LEAST_CORRELATION,
            "seconds": torch.full_like(found.energy, (time.perf_counter() - started) / len(images)),
        }
