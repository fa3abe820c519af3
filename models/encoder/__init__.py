"""The EchoCare encoder and its smaller siblings.

Only the shapes are here, free of torch: networks come from `factory`, what only answers from `inference`, timm's names
from `registry`, and state dicts of other windows are fitted by `checkpoint`.
"""

from models.encoder.config import BASE, CONFIGS, SMALL, TINY, EncoderConfig

__all__ = ["BASE", "CONFIGS", "SMALL", "TINY", "EncoderConfig"]
