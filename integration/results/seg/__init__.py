"""Masks to a DICOM Segmentation of a still or a cine."""

from integration.results.seg.document import build_seg

__all__ = ["build_seg"]
