"""Ultrasound pictures of which the truth is known to the millimetre. Made from a seed; no patient is in them."""

from integration.phantom.breast import breast_mass
from integration.phantom.head import fetal_head, fetal_head_cine
from integration.phantom.scene import HeadTruth, MassTruth, Scene, SceneRegion
from integration.phantom.screen import Look, SecondRegion

__all__ = [
    "HeadTruth",
    "Look",
    "MassTruth",
    "Scene",
    "SceneRegion",
    "SecondRegion",
    "breast_mass",
    "fetal_head",
    "fetal_head_cine",
]
