"""Views of pictures that are damaged anew each time they are shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.adapting.variation import motion
from trainer.data.degrade import degraded, random_damage
from trainer.data.graphics import draw_graphics
from trainer.tasks.spec import Variation
from trainer.tasks.truths import Clean

CONTRAST = (0.8, 1.25)  # exponent of gray levels
GAIN = (0.85, 1.15)


def damaged_view(clean: Clean, how: Variation, size: int, rng: np.random.Generator) -> Clean:
    """A random view of an undamaged kept square, damaged before it is moved: (size, size).

    Light and drawn graphics vary before the damage, so that they are part of what the picture should be.
    """
    lit = _lit(clean.picture, rng)
    drawn = draw_graphics(lit, rng) if rng.random() < how.drawn else lit
    picture = np.where(clean.inside > 0, drawn, 0).astype(np.uint8)
    damage = random_damage(rng)
    whole = Clean(picture=picture, given=degraded(picture, damage), inside=clean.inside, damage=damage)
    return whole.moved(motion(how, size, rng), size)


def _lit(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    level = (picture.astype(np.float32) / 255) ** np.float32(rng.uniform(*CONTRAST)) * np.float32(rng.uniform(*GAIN))
    return np.asarray((level * 255).clip(0, 255), dtype=np.uint8)
