"""The EchoCare encoder and its smaller siblings: shapes here, free of torch; networks in `factory` and `swin`."""

from models.encoder.config import BASE, CONFIGS, SMALL, TINY, EncoderConfig

__all__ = ["BASE", "CONFIGS", "SMALL", "TINY", "EncoderConfig"]
