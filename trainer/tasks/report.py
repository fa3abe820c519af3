"""Short reports of thyroid, breast and lung: coded findings of readers, and the text that says them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.packages.parts import CodeOnCard
from models.packages.settings_report import ReportAnswer, ReportQuestion, ReportSettings
from trainer.tasks import breast_birads, thyroid_tirads
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ASSESSMENT, BREAST, LUNG, THYROID, private, sct
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Findings

OPEN = 0.01  # least probability until validation pictures choose one
PRESENT, ABSENT = sct("52101004", "Present"), sct("272519000", "Absent")
FINDING_SITE = sct("363698007", "Finding Site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question of the report, and where its answer lies in an index."""

    name: str
    code: CodeOnCard
    organ: CodeOnCard | None  # None: asked of all
    column: str  # "" of the organ itself
    answers: Mapping[str, tuple[CodeOnCard, tuple[str, ...]]]  # by the word in the index: code and ways to say it

    def question(self) -> ReportQuestion:
        """As the card has it."""
        return ReportQuestion(
            name=self.name,
            code=self.code,
            site=self.organ,
            form="one_of",
            only_if=self.organ,
            answers=tuple(
                ReportAnswer(value=code, sentences={"en": ways}, threshold=OPEN) for code, ways in self.answers.values()
            ),
        )


def _nodule(what: str, word: str) -> tuple[str, ...]:
    return f"The nodule is {word}", f"{what}: {word}"


def _seen(code: CodeOnCard, name: str, words: str, column: str) -> Asked:
    """A finding of the lung that is there or not."""
    answers = {
        "1": (PRESENT, (f"{words[0].upper()}{words[1:]} are seen", f"There are {words}")),
        "0": (ABSENT, (f"No {words} are seen", f"There are no {words}")),
    }
    return Asked(name=name, code=code, organ=LUNG, column=column, answers=answers)


ORGAN = Asked(
    name="organ",
    code=FINDING_SITE,
    organ=None,
    column="",
    answers={
        "thyroid": (THYROID, ("The thyroid is shown", "Ultrasound of the thyroid")),
        "bus_bra": (BREAST, ("The breast is shown", "Ultrasound of the breast")),
        "lung_pocus": (LUNG, ("The lung is shown", "Ultrasound of the lung")),
    },
)
COMPOSITION = Asked(
    name="composition",
    code=private("thyroid-composition", "Composition"),
    organ=THYROID,
    column="composition",
    answers={
        word: (private(f"composition-{word}", said.capitalize()), _nodule("Composition", said))
        for word, said in (
            ("cystic", "cystic"),
            ("predominantly-cystic", "predominantly cystic"),
            ("spongiform", "spongiform"),
            ("predominantly-solid", "predominantly solid"),
            ("solid", "solid"),
        )
    },
)
ECHOGENICITY = Asked(
    name="echogenicity",
    code=CodeOnCard(value="110849", scheme="DCM", meaning="Echogenicity"),
    organ=THYROID,
    column="echogenicity",
    answers={
        "hyperechogenicity": (
            CodeOnCard(value="111362", scheme="DCM", meaning="Hyperechoic"),
            _nodule("Echogenicity", "hyperechoic"),
        ),
        "isoechogenicity": (
            CodeOnCard(value="111365", scheme="DCM", meaning="Isoechoic"),
            _nodule("Echogenicity", "isoechoic"),
        ),
        "hypoechogenicity": (
            CodeOnCard(value="111364", scheme="DCM", meaning="Hypoechoic"),
            _nodule("Echogenicity", "hypoechoic"),
        ),
        "marked-hypoechogenicity": (
            private("markedly-hypoechoic", "Markedly hypoechoic"),
            _nodule("Echogenicity", "markedly hypoechoic"),
        ),
    },
)
MARGINS = Asked(
    name="margins",
    code=CodeOnCard(value="111037", scheme="DCM", meaning="Margins"),
    organ=THYROID,
    column="margins",
    answers={
        word: (code, (f"Its margins are {said}", f"The margins of the nodule are {said}"))
        for word, said, code in (
            ("well-defined", "well defined", sct("260409000", "Well defined")),
            ("ill-defined", "ill defined", private("ill-defined", "Ill defined")),
            ("macrolobulated", "macrolobulated", private("macrolobulated", "Macrolobulated")),
            ("microlobulated", "microlobulated", private("microlobulated", "Microlobulated")),
            ("spiculated", "spiculated", CodeOnCard(value="112136", scheme="DCM", meaning="Spiculated")),
        )
    },
)
CALCIFICATIONS = Asked(
    name="calcifications",
    code=CodeOnCard(value="111009", scheme="DCM", meaning="Calcification Type"),
    organ=THYROID,
    column="calcifications",
    answers={
        "non": (
            private("no-calcifications", "No calcifications"),
            ("No calcifications are seen in the nodule", "The nodule has no calcifications"),
        ),
        "microcalcification": (
            private("microcalcifications", "Microcalcifications"),
            ("Microcalcifications are seen in the nodule", "The nodule has microcalcifications"),
        ),
        "macrocalcification": (
            CodeOnCard(value="111345", scheme="DCM", meaning="Macrocalcifications"),
            ("Macrocalcifications are seen in the nodule", "The nodule has macrocalcifications"),
        ),
    },
)
TIRADS = Asked(
    name="TI-RADS category",
    code=ASSESSMENT,
    organ=THYROID,
    column="tirads",
    answers={
        word: (
            private(f"tirads-{word}", f"TI-RADS {word}"),
            (f"The category is TI-RADS {word}", f"This corresponds to TI-RADS {word}"),
        )
        for word in thyroid_tirads.CATEGORIES
    },
)
BIRADS = Asked(
    name="BI-RADS category",
    code=ASSESSMENT,
    organ=BREAST,
    column="birads",
    answers={
        word: (code, (f"The category is BI-RADS {word}", f"This corresponds to BI-RADS {word}"))
        for word, code in breast_birads.CATEGORIES.items()
    },
)
LUNGS = (
    _seen(private("b-lines", "B-lines"), "B-lines", "B-lines", "b_lines"),
    _seen(private("consolidations", "Consolidations"), "consolidations", "consolidations", "consolidations"),
    _seen(
        private("pleural-irregularities", "Pleural irregularities"),
        "pleural irregularities",
        "irregularities of the pleura",
        "pleural_irregularities",
    ),
    _seen(sct("60046008", "Pleural effusion"), "pleural effusion", "signs of pleural effusion", "effusion"),
)
ASKED = (ORGAN, COMPOSITION, ECHOGENICITY, MARGINS, CALCIFICATIONS, TIRADS, BIRADS, *LUNGS)


def findings(folder: Path, name: str, row: Row) -> Findings:
    """What the index says of a picture; a question that its organ is not asked, or that nobody answered, stays open."""
    organ = ORGAN.answers[name][0]
    holds: list[float] = []
    for each in ASKED:
        word = name if each is ORGAN else row.get(each.column, "") if each.organ == organ else ""
        known = word in each.answers
        holds += [float(word == answer) if known else float("nan") for answer in each.answers]
    wording = hashlib.sha256(f"{name}/{row['id']}".encode()).digest()[0]
    return Findings(holds=np.array(holds), wording=wording)


SPEC = TaskSpec(
    name="report",
    title="Short report of thyroid, breast or lung",
    intended_use="Coded findings of one view in the words of a short report: of a thyroid nodule its descriptors and"
    " TI-RADS, of a breast lesion its BI-RADS category, of the lung B-lines, consolidations and the pleura. A draft for"
    " a reader to correct; it never says what tissue is.",
    words="B-mode still or cine of the thyroid with a nodule, of the breast with a lesion, or of the lung",
    not_for="other organs, Doppler, elastography; normal thyroids and breasts; histology",
    size=192,
    settings=ReportSettings(
        scope=0.5,
        name="ultrasound report",
        language="en",
        wording="generated",
        questions=tuple(each.question() for each in ASKED),
    ),
    data=("thyroid", "bus_bra", "lung_pocus"),
    kin=("carotid_cca", "usgra_seg", "busi"),
    headline=("text agrees with every known finding", "statements right, of those made", "statements withheld"),
    bars=(
        Bar(figure="statements right, of those made", least=90.0),
        Bar(figure="text says nothing wrong", least=90.0),
    ),
    truth=findings,
    variation=Variation(turn_deg=10.0, drawn=0.4),
    limits=(
        "one data set an organ: which organ is told partly by telling scanners apart",
        "descriptors of many thyroid nodules were not published; rare ones (cystic, macrolobulated) have few examples",
        "lung findings are of whole clips of a small sample, not of the frame that is shown",
        "the text can say only the sentences of the card; where its words and codes differ, a template replaces it",
        "TI-RADS is of the older scheme with 4a to 4c; licences: thyroid not stated, lung mostly non-commercial",
    ),
)
