"""What tasks hang on the encoder's maps."""

from models.heads.classification import LesionHead
from models.heads.scope import ScopeHead
from models.heads.segmentation import SegmentationHead

__all__ = ["LesionHead", "ScopeHead", "SegmentationHead"]
