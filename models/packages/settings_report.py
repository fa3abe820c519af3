"""Settings of tasks that write a short report: what may be stated, in which codes and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from models.packages.parts import CardPart, CodeOnCard, KindSettings


class ReportAnswer(CardPart):
    """One statement that a report may make."""

    value: CodeOnCard
    sentences: dict[str, tuple[str, ...]]  # by language (BCP 47): ways to say it, the plainest first; no full stops
    threshold: float = Field(gt=0, lt=1)  # least calibrated probability with which it is stated


class ReportQuestion(CardPart):
    """What a report says something of."""

    name: str = Field(min_length=1)
    code: CodeOnCard
    site: CodeOnCard | None = None
    form: Literal["one_of", "any_of"]  # one answer holds, or each may hold or not
    only_if: CodeOnCard | None = None  # a value of a question above; unless it is stated, this is not asked
    temperature: float = Field(default=1.0, gt=0)  # logits are divided by it
    answers: tuple[ReportAnswer, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.form == "one_of" and len(self.answers) < 2:
            raise ValueError(f"'{self.name}' needs two answers or more to choose one of")
        values = [(answer.value.scheme, answer.value.value) for answer in self.answers]
        twice = sorted({value for scheme, value in values if values.count((scheme, value)) > 1})
        if twice:
            raise ValueError(f"'{self.name}' has more than one answer with the code {', '.join(twice)}")
        return self


class ReportSettings(KindSettings):
    """Coded statements, and a text that says these and nothing else."""

    kind: Literal["report"] = "report"
    name: str = Field(min_length=1)  # "breast ultrasound report"
    code: CodeOnCard | None = None  # of the text
    language: str  # in which the text is written
    wording: Literal["template", "generated"] = (
        "generated"  # the first sentence of each answer, or as the network words it
    )
    questions: tuple[ReportQuestion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [question.name for question in self.questions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"more than one question is called {', '.join(twice)}")
        above: set[tuple[str, str]] = set()
        for question in self.questions:
            needed = question.only_if
            if needed is not None and (needed.scheme, needed.value) not in above:
                raise ValueError(f"'{question.name}' waits for '{needed.meaning}', which no question above can state")
            above |= {(answer.value.scheme, answer.value.value) for answer in question.answers}
        languages = set(self.questions[0].answers[0].sentences)
        if self.language not in languages:
            raise ValueError(f"the language {self.language} has no sentences; there are {', '.join(sorted(languages))}")
        meant: dict[tuple[str, str], str] = {}
        for where, answer in self._answers():
            if set(answer.sentences) != languages:
                raise ValueError(f"{where} is not said in the same languages as the first answer")
            for language, sentence in _sentences(answer, where):
                other = meant.setdefault((language, sentence), where)
                if other != where:
                    raise ValueError(f"the sentence '{sentence}' would say both {other} and {where}")
        return self

    def _answers(self) -> Iterator[tuple[str, ReportAnswer]]:
        for question in self.questions:
            for answer in question.answers:
                yield f"'{question.name}: {answer.value.meaning}'", answer


def _sentences(answer: ReportAnswer, where: str) -> Iterator[tuple[str, str]]:
    for language, ways in answer.sentences.items():
        if not ways:
            raise ValueError(f"{where} has no sentence in the language {language}")
        for sentence in ways:
            if not sentence or sentence != " ".join(sentence.split()) or "." in sentence:
                raise ValueError(
                    f"the sentence '{sentence}' of {where} must be words with one space between, no full stop"
                )
            yield language, sentence
