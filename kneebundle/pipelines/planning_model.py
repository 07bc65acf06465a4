"""The planning network of a bundle: a lateral radiograph in, maps of bones, landmarks and the cortex line out."""

from __future__ import annotations

import torch
from monai.data import MetaTensor

from kneebundle.inferers.bundle_networks import BundleNetworks

__all__ = ["PlanningModel"]


class PlanningModel(BundleNetworks):
    """The bundle ``knee_surgical_planning`` with its weights, ready to predict.

    Where the bundle has several ``models/model_fold*.pt``, the prediction is the mean of their maps.
    """

    @torch.inference_mode()
    def predict_maps(self, image: MetaTensor) -> MetaTensor:
        """Predict the maps of one radiograph.

        Args:
            image: (1, rows, columns), its affine to mm.

        Returns:
            (7, H, W) float32: probabilities of the bones in the order of :data:`kneebundle.landmarks.BONES`,
            likelihoods of ``p_blum`` and ``p_tmc``, likelihood of LM1's region. Its affine leads to mm of ``image``.
        """
        region = self.prepare({"image": image})["image"]
        batch = torch.as_tensor(region).as_subclass(torch.Tensor)[None].to(self.device)
        maps = torch.stack([self.infer(batch, network) for network in self.networks]).float().mean(0)[0].cpu()
        return MetaTensor(maps, affine=torch.as_tensor(region.affine, dtype=torch.float64))
