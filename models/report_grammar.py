"""The closed language of a report: which sentences there are, and which coded statement each of them makes.

Free of torch. The network that words a report, and the reader that checks the words, both go by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.packages.settings_report import ReportAnswer, ReportQuestion, ReportSettings

END = 0  # tokens: the text is over
STOP = 1  # a sentence is over
FULL_STOP = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One answer to one question; its number is its place among all statements of the card."""

    question: ReportQuestion
    answer: ReportAnswer


class Grammar:
    """Words, sentences and statements of a card.

    Parameters
    ----------
    settings
        Of the card. The words of all languages are tokens, so that a network serves all; sentences are those of the
        language that the card chooses.
    """

    def __init__(self, settings: ReportSettings) -> None:
        self.statements = tuple(Statement(question=q, answer=a) for q in settings.questions for a in q.answers)
        languages = sorted(self.statements[0].answer.sentences)
        every = [s for one in self.statements for ways in one.answer.sentences.values() for s in ways]
        words = sorted({word for sentence in every for word in sentence.split()})
        self.begin = 2 + languages.index(settings.language)  # the token that a text of this language begins after
        self._first_word = 2 + len(languages)
        self._words = tuple(words)
        self._token = {word: self._first_word + number for number, word in enumerate(words)}
        self._ways = tuple(one.answer.sentences[settings.language] for one in self.statements)
        self._means = {way: number for number, ways in enumerate(self._ways) for way in ways}
        self.longest = 1 + sum(max(1 + len(s.split()) for s in _all_ways(one)) for one in self.statements)

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return self._first_word + len(self._words)

    def template(self, said: Iterable[int]) -> str:
        """The text that makes these statements in the card's order and each in its plainest way."""
        return " ".join(self._ways[number][0] + FULL_STOP for number in sorted(said))

    def stated(self, text: str) -> list[int] | None:
        """The statements that a text makes, in its order; None where any of it makes none."""
        *sentences, rest = text.split(FULL_STOP)
        found = [self._means.get(sentence.strip()) for sentence in sentences]
        whole = [number for number in found if number is not None]
        return whole if len(whole) == len(found) and not rest.strip() else None

    def sentences(self, statement: int) -> list[list[int]]:
        """The ways to make a statement as tokens, each with its stop."""
        return [[*(self._token[word] for word in way.split()), STOP] for way in self._ways[statement]]

    def tokens_of(self, text: str) -> list[int]:
        """A text of this grammar as tokens, with its end.

        Raises
        ------
        ValueError
            It says something that is no statement.
        """
        if self.stated(text) is None:
            raise ValueError(f"this text is not made of the card's sentences: {text}")
        sentences = text.split(FULL_STOP)[:-1]
        return [t for s in sentences for t in (*(self._token[word] for word in s.split()), STOP)] + [END]

    def text_of(self, tokens: Sequence[int]) -> str:
        """Tokens, up to the first end, as a text; those that are no words are left out."""
        text = ""
        for token in tokens:
            if token == END:
                break
            if token == STOP:
                text += FULL_STOP
            elif self._first_word <= token < self.tokens:
                text += " " + self._words[token - self._first_word]
        return text.strip()


class Walk:
    """A text in the making that says what it must, each statement once, and nothing else."""

    def __init__(self, grammar: Grammar, said: Iterable[int]) -> None:
        self._left = {number: grammar.sentences(number) for number in said}
        self._open: list[int] = []

    def allowed(self) -> list[int]:
        """The tokens that may come next, at least one."""
        if not self._left:
            return [END]
        at = len(self._open)
        return sorted({way[at] for ways in self._left.values() for way in ways if way[:at] == self._open})

    def take(self, token: int) -> None:
        """Go on with one of the allowed tokens."""
        self._open.append(token)
        if token == STOP:
            self._left = {number: ways for number, ways in self._left.items() if self._open not in ways}
            self._open = []


def _all_ways(statement: Statement) -> list[str]:
    return [way for ways in statement.answer.sentences.values() for way in ways]
