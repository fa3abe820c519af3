"""Pictures with less grain and blur, more range and more depth."""

from __future__ import annotations

from models.packages.settings_enhancement import EnhancementSettings, HarmGates
from trainer.tasks.bars import Bar
from trainer.tasks.coded import private
from trainer.tasks.damaged import SETS_SHOWN, DamagedSpec, as_it_is
from trainer.tasks.spec import Variation

OPEN = HarmGates(gain=0.0, change=1.0, likeness=0.0, invented=1.0)  # until validation pictures close them

SPEC = DamagedSpec(
    name="enhance",
    title="Less grain and blur, more range and depth",
    intended_use="A picture beside the original with less speckle and blur, a wider range of gray levels and even gain"
    " over depth. For looking at; nothing is to be measured or judged in it alone.",
    words="any B-mode still or cine",
    not_for="Doppler, elastography, measurements, pictures that are good as they are",
    size=192,
    settings=EnhancementSettings(
        scope=0.5,
        name="enhanced picture",
        code=private("enhanced-picture", "Enhanced picture"),
        strength=0.4,
        frames="surest",
        gates=OPEN,
    ),
    data=SETS_SHOWN,
    kin=("busi",),
    headline=("PSNR after, all damage", "PSNR before, all damage", "made worse, of those shown"),
    bars=(Bar(figure="made worse, of those shown", most=5.0),),
    truth=as_it_is,
    variation=Variation(turn_deg=10.0, drawn=0.15),
    limits=(
        "learned and measured on pictures that a model of physics made worse, not on pairs of a poor and a good scan",
        "what it takes for undamaged are published pictures, with the grain and the artefacts of their scanners",
        "it cannot bring back what a scan did not record; a gate refuses changes that are strong or invent structure",
        "some of the data sets are for non-commercial use",
    ),
)
