"""How far the edges of two masks lie apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Twice the shared pixels over all pixels; 1 where both masks (H, W) are empty."""
    whole = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / whole if whole else 1.0


def edge_distances(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From each edge pixel of either mask to the nearest edge pixel of the other, px.

    Parameters
    ----------
    found, truth
        (H, W), neither of them empty.

    Raises
    ------
    ValueError
        One of them is empty.

    References
    ----------
    Heimann et al., "Comparison and Evaluation of Methods for Liver Segmentation From CT Datasets", IEEE TMI 28 (2009):
    the mean of these is the average symmetric surface distance.
    """
    if not found.any() or not truth.any():
        raise ValueError("an empty mask has no edge")
    edges = [_edge(mask) for mask in (found, truth)]
    away = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for edge in edges]
    return np.concatenate([away[1][edges[0]], away[0][edges[1]]]).astype(np.float64)


def hd95(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """95th percentile of the distances between edges, the greater of both ways, px; raises as `edge_distances`."""
    both = edge_distances(found, truth)
    count = int(_edge(found).sum())
    return float(max(np.percentile(both[:count], 95), np.percentile(both[count:], 95)))


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), borderValue=0)[1:-1, 1:-1]
    rim: NDArray[np.bool_] = mask & (inner == 0)
    return rim
