"""Which view a radiograph has, as far as the file or the user says."""

from __future__ import annotations

from dataclasses import replace

from kneebundle.radiograph import Radiograph

__all__ = ["settle_view"]


def settle_view(radiograph: Radiograph) -> Radiograph:
    """The radiograph with the view that is stated; a stated side means a single knee.

    Where nothing is stated the view stays None: what a radiograph from the front shows is decided from the image
    (:mod:`kneebundle.pipelines.film_content`), never from its size. A lateral film that does not say so counts as a
    radiograph from the front.

    Example:
        >>> import numpy as np
        >>> from kneebundle.radiograph import Radiograph
        >>> settle_view(Radiograph(np.zeros((350, 430)), spacing_mm=(1.0, 1.0), side="R")).view
        'pa-single'
    """
    stated = radiograph.view is not None or radiograph.side is None
    return radiograph if stated else replace(radiograph, view="pa-single")
