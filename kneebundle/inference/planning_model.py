"""The planning network of a bundle: a lateral film in, maps of bones, landmarks and the cortex line out."""

from __future__ import annotations

import torch
from monai.data import MetaTensor

from kneebundle.inference.bundle_networks import BundleNetworks

__all__ = ["BONES", "PlanningModel"]

BONES = ("femur", "patella", "tibia", "fibula")
"""The first channels of the network's answer; ``p_blum``, ``p_tmc`` and the region of LM1 follow."""


class PlanningModel(BundleNetworks):
    """The bundle ``knee_surgical_planning`` ready to be asked about lateral films.

    Where it has several ``models/model_fold*.pt``, the mean of their maps is the answer.
    """

    @torch.inference_mode()
    def maps(self, image: MetaTensor) -> MetaTensor:
        """The network's answer for one film.

        Args:
            image: the film, (1, rows, columns), its affine to mm.

        Returns:
            (7, H, W) float32: probabilities of the bones in the order of :data:`BONES`, likelihoods of ``p_blum`` and
            ``p_tmc``, likelihood of LM1's region. Its affine leads to the mm of ``image``.
        """
        region = self.prepare({"image": image})["image"]
        batch = torch.as_tensor(region).as_subclass(torch.Tensor)[None].to(self.device)
        answer = torch.stack([self.infer(batch, network) for network in self.networks]).float().mean(0)[0].cpu()
        return MetaTensor(answer, affine=torch.as_tensor(region.affine, dtype=torch.float64))
