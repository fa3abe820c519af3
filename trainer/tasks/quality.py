"""How good a scan is, learned from damage that was made on purpose."""

from __future__ import annotations

from models.packages.parts import CodeOnCard
from models.packages.settings_pictures import Aspect, Concept, QualitySettings
from trainer.data.degrade import KINDS
from trainer.tasks.bars import Bar
from trainer.tasks.coded import private
from trainer.tasks.damaged import SETS_SHOWN, DamagedSpec, as_it_is
from trainer.tasks.spec import Variation

RATING = CodeOnCard(value="111029", scheme="DCM", meaning="Image Quality Rating")
WORDS = {  # of each kind of damage: poor, fine, and what to do at the scanner
    "speckle": ("Grainy", "Little grain", "use compounding or more frames of persistence"),
    "blur": ("Blurred", "Sharp", "set the focus to the depth of interest"),
    "compression": ("Few gray levels", "Many gray levels", "widen the dynamic range"),
    "attenuation": ("Too weak at depth", "Even over depth", "raise the gain at depth or choose a lower frequency"),
}


def _aspect(kind: str) -> Aspect:
    poor, fine, advice = WORDS[kind]
    return Aspect(name=kind, poor=private(f"{kind}-poor", poor), fine=private(f"{kind}-fine", fine), advice=advice)


SPEC = DamagedSpec(
    name="quality",
    title="Quality of a scan",
    intended_use="A score from 0 to 1 and what a scan lacks, so that rules can choose and who scans can mend it."
    " Not for reporting.",
    words="any B-mode still or cine",
    not_for="Doppler, elastography",
    size=192,
    settings=QualitySettings(
        scope=0.5,
        score=Concept(name="scan quality", code=RATING),
        aspects=tuple(_aspect(kind) for kind in KINDS),
    ),
    data=SETS_SHOWN,
    kin=("busi",),
    headline=("rank correlation of the score", "quality grade, within one", "quality grade, exact"),
    bars=(Bar(figure="rank correlation of the score", least=0.7),),
    truth=as_it_is,
    variation=Variation(turn_deg=10.0, drawn=0.3),
    limits=(
        "SYNTHETIC truth: no reader graded these pictures; grades are those of damage that a model of physics did",
        "published pictures count as good, though their own quality differs; view, coupling and motion are not judged",
        "the score says what the worst of grain, blur, lost range and weakness at depth is, and nothing of the anatomy",
        "some of the data sets are for non-commercial use",
    ),
)
