"""How much of a picture shows colour flow, apart from a tint that the whole picture has.

Networks here look at luminance, in which colour Doppler looks like bright tissue: the picture must tell it by its
colours. A B-mode picture shown through a tinted map (sepia, blue) has one hue whose strength goes with brightness;
the colours of flow do not.

References
----------
DICOM PS3.3 C.8.5.5.1.2 (Region Data Type 2, colour flow) says it of some pictures; most have one region, of tissue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 4  # every fourth row and column is enough to know a share
FAINT = 24  # gray levels; darker pixels say nothing of a tint
STRONG = 40  # gray levels between the channels of a pixel, beyond the tint


def flow_share(pixels: NDArray[np.uint8]) -> float:
    """Share of the pixels in strong colours that are not the picture's tint, 0 to 1.

    Parameters
    ----------
    pixels
        (H, W, 3) RGB, or (H, W): gray pictures have none.
    """
    if pixels.ndim == 2:
        return 0.0
    some = pixels[::STEP, ::STEP]
    red, green, blue = (some[..., channel] for channel in range(3))
    brightest = np.maximum(np.maximum(red, green), blue)
    coloured = brightest - np.minimum(np.minimum(red, green), blue) > STRONG
    if not coloured.any():
        return 0.0
    lit = some[brightest > FAINT].astype(np.float32)
    tint = np.median(lit / lit.max(axis=1, keepdims=True), axis=0)  # of the usual pixel: 1 1 1 where there is none
    strong = some[coloured].astype(np.float32)
    beyond = strong - strong.max(axis=1, keepdims=True) * tint
    return float(np.count_nonzero(np.ptp(beyond, axis=1) > STRONG) / brightest.size)
