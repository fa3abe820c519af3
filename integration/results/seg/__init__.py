"""Masks to a DICOM Segmentation of a still or a cine."""

from integration.results.seg.document import LABEL_MAP_SEGMENTATION, build_seg

__all__ = ["LABEL_MAP_SEGMENTATION", "build_seg"]
