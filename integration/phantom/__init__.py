"""Ultrasound pictures of which the truth is known to the millimetre. Made from a seed; no patient is in them."""

from integration.phantom.breast import breast_mass
from integration.phantom.dicom import Encoding, Identity, phantom_uid, write_cine, write_still
from integration.phantom.head import fetal_head, fetal_head_cine
from integration.phantom.scene import HeadTruth, MassTruth, Scene, SceneRegion
from integration.phantom.screen import Look, SecondRegion
from integration.phantom.study import SampleInstance, SampleOptions, SampleStudy, sample_study

__all__ = [
    "Encoding",
    "HeadTruth",
    "Identity",
    "Look",
    "MassTruth",
    "SampleInstance",
    "SampleOptions",
    "SampleStudy",
    "Scene",
    "SceneRegion",
    "SecondRegion",
    "breast_mass",
    "fetal_head",
    "fetal_head_cine",
    "phantom_uid",
    "sample_study",
    "write_cine",
    "write_still",
]
