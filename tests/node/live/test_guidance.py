"""Advice comes from tasks and cards, and from nowhere else."""

from __future__ import annotations

from models.findings import Category, Code, Finding, Narrative, Quantity
from models.packages.parts import CodeOnCard
from models.packages.settings_pictures import Aspect, QualitySettings
from node.live.guidance import own_guidance, quality_guidance, silence
from tests.node.live.fakes import length, nothing


def code(meaning: str) -> CodeOnCard:
    return CodeOnCard(value=meaning[:16], scheme="99TEST", meaning=meaning)


def aspect(name: str, advice: str) -> Aspect:
    return Aspect(name=name, poor=code(f"poor {name}"), fine=code(f"good {name}"), advice=advice)


SETTINGS = QualitySettings(
    aspects=(aspect("gain", "turn the gain down"), aspect("contact", "press more lightly")), least=0.4
)


def judged(name: str, word: str, probability: float) -> Category:
    value = Code(value=f"{word} {name}"[:16], scheme="99TEST", meaning=f"{word} {name}")
    return Category(name=name, group=f"{name} 1", frame=1, value=value, probability=probability)


def score(value: float) -> Finding:
    return Quantity(name="scan quality", group="scan quality 1", frame=1, value=value, unit="1")


def test_quality__two_things_lack__advice_of_the_card_with_the_surest_first() -> None:
    findings = [score(0.3), judged("gain", "poor", 0.6), judged("contact", "poor", 0.9)]
    assert quality_guidance(findings, SETTINGS) == (
        "press more lightly (poor contact)",
        "turn the gain down (poor gain)",
    )


def test_quality__all_fine__says_nothing() -> None:
    findings = [score(0.9), judged("gain", "good", 0.9), judged("contact", "good", 0.9)]
    assert quality_guidance(findings, SETTINGS) == ()


def test_quality__nothing_lacks_but_the_score_is_low__asks_for_a_better_view_without_a_direction() -> None:
    (words,) = quality_guidance([score(0.2), judged("gain", "good", 0.9)], SETTINGS)
    assert words == "find a better view (scan quality 0.20 < 0.40)"


def test_quality__out_of_scope__says_nothing() -> None:
    assert quality_guidance([nothing()], SETTINGS) == ()


def test_own_guidance__only_narratives_of_that_name__are_taken() -> None:
    advice = Narrative(name="guidance", group="view 1", frame=1, text="move towards the head")
    report = Narrative(name="report", group="view 1", frame=1, text="move towards the door")
    assert own_guidance([advice, report, length(1)]) == ("move towards the head",)
    assert own_guidance([report]) == ()


def test_silence__reasons__are_told_as_they_are() -> None:
    assert silence([nothing("no outline was found")]) == ("no outline was found",)
    assert silence([length(1)]) == ()
