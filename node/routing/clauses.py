"""The text of a condition, taken apart as far as checking and explaining need it.

The CEL library parses and evaluates; it does not show its syntax tree. What is needed beside it is small: which
attributes a condition names, and its parts between `&&` and `||`.

References
----------
CEL language definition, lexis and grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>\d[\w.]*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
OPENING, CLOSING = "([{", ")]}"
COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
MACROS: Final = frozenset(("all", "exists", "exists_one", "map", "filter"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word of a condition."""

    kind: Literal["text", "number", "name", "sign"]
    word: str
    at: int  # offset of its first character
    end: int  # offset after its last character


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A condition, or one of its parts between `&&` and `||`."""

    source: str
    joined: Literal["&&", "||", None] = None  # how the parts are joined; None: it has none
    parts: tuple[Clause, ...] = ()

    def leaves(self) -> Iterator[Clause]:
        """The parts that have no parts themselves."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def tokens(source: str) -> tuple[Token, ...]:
    """The words of a condition, without spaces and comments."""
    return tuple(
        Token(kind=match.lastgroup, word=match.group(), at=match.start(), end=match.end())  # type: ignore[arg-type]
        for match in TOKEN.finditer(source)
        if match.lastgroup != "space"
    )


def attributes(words: Sequence[Token], roots: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Every attribute that is asked of a root, `root.Name` or `root["Name"]`: root, name, index of its last token."""
    for index, word in enumerate(words):
        if word.kind != "name" or word.word not in roots or (index and words[index - 1].word == "."):
            continue
        after = words[index + 1 : index + 4]
        if len(after) >= 2 and after[0].word == "." and after[1].kind == "name":
            yield word.word, after[1].word, index + 2
        elif len(after) == 3 and after[0].word == "[" and after[1].kind == "text" and after[2].word == "]":
            yield word.word, after[1].word[1:-1], index + 3


def members(words: Sequence[Token]) -> Iterator[str]:
    """Every name that follows a dot and is not called: attributes of roots, of items and of what macros bind."""
    for index, word in enumerate(words):
        called = index + 1 < len(words) and words[index + 1].word == "("
        if index and word.kind == "name" and words[index - 1].word == "." and not called:
            yield word.word


def bound_names(words: Sequence[Token]) -> frozenset[str]:
    """Names that macros such as `exists(x, …)` bind."""
    return frozenset(
        words[index + 2].word
        for index, word in enumerate(words[:-3])
        if word.word in MACROS and words[index + 1].word == "(" and words[index + 3].word == ","
    )


def compared_with(words: Sequence[Token], index: int, first: int) -> Token | None:
    """The literal that the attribute at `first`…`index` is compared with, where it is one."""
    if index + 2 < len(words) and words[index + 1].word in COMPARISONS and words[index + 2].kind in ("text", "number"):
        return words[index + 2]
    if first >= 2 and words[first - 1].word in COMPARISONS and words[first - 2].kind in ("text", "number"):
        return words[first - 2]
    return None


def clause(source: str) -> Clause:
    """Take a condition apart at its `||`, then at its `&&`, through parentheses round whole parts."""
    source = source.strip()
    words = tokens(source)
    if words and words[0].word == "(" and _partner(words, 0) == len(words) - 1:
        return clause(source[words[0].end : words[-1].at])
    if not any(word.word == "?" for word in _at_top(words)):
        for sign in ("||", "&&"):
            cuts = [word for word in _at_top(words) if word.word == sign]
            if cuts:
                starts = [0, *(cut.end for cut in cuts)]
                ends = [*(cut.at for cut in cuts), len(source)]
                parts = tuple(clause(source[start:end]) for start, end in zip(starts, ends, strict=True))
                return Clause(source=source, joined="&&" if sign == "&&" else "||", parts=parts)
    return Clause(source=source)


def _at_top(words: Sequence[Token]) -> Iterator[Token]:
    depth = 0
    for word in words:
        if word.kind == "sign" and word.word in CLOSING:
            depth -= 1
        if depth == 0:
            yield word
        if word.kind == "sign" and word.word in OPENING:
            depth += 1


def _partner(words: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(words)):
        word = words[index]
        if word.kind == "sign":
            depth += (word.word in OPENING) - (word.word in CLOSING)
        if depth == 0:
            return index
    return len(words)
