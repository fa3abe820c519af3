"""From probability maps to outlines, ellipses and diameters; numpy and OpenCV only."""

from models.geometry.diameters import Diameters, diameters
from models.geometry.ellipse import Ellipse, fit_ellipse, inside, outline_points, overlap
from models.geometry.outline import Component, crossings, largest_component, largest_parts, polygon

__all__ = [
    "Component",
    "Diameters",
    "Ellipse",
    "crossings",
    "diameters",
    "fit_ellipse",
    "inside",
    "largest_component",
    "largest_parts",
    "outline_points",
    "overlap",
    "polygon",
]
