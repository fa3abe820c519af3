"""One condition: compiled once, checked whole, evaluated on facts, and explained in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cel

from node.routing.clauses import Clause, Token, attributes, bound_names, clause, compared_with, members, tokens
from node.routing.values import BULK, Value, empty, is_keyword, is_many, is_number, keywords, vr_of

DATA_ROOTS: Final = ("instance", "series", "study")
VIEW: Final[Mapping[str, Value]] = {"region": "", "organ": "", "confidence": 0.0, "quality": 0.0}
AE_ROOTS: Final = ("calling_ae", "called_ae")
ROOTS: Final = (*DATA_ROOTS, "view", *AE_ROOTS)
FUNCTIONS: Final = frozenset(
    "size contains startsWith endsWith matches string int uint double bytes timestamp duration type dyn has max min "
    "getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds "
    "getMilliseconds lowerAscii upperAscii trim".split()
)
OUR_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "trim": str.strip,
}
SHOWN_CHARACTERS = 60


class ConditionInvalid(Exception):
    """A condition that cannot be used; `faults` says everything that is wrong with it."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a condition holds, and why."""

    holds: bool
    why: str  # in words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """A checked condition."""

    source: str
    keywords: tuple[str, ...]  # of all attributes that it names
    view_names: tuple[str, ...]  # of all facts of `view` that it names
    view_words: tuple[tuple[str, str], ...]  # facts of `view`, and texts that they are compared with
    parts: Clause
    programs: Mapping[str, Any]  # compiled, by source, of the whole and of its parts

    @property
    def uses_view(self) -> bool:
        """Whether it asks what a look at the image saw."""
        return bool(self.view_names)

    def holds(self, facts: Mapping[str, Value]) -> bool:
        """Evaluate it; a value of an unexpected kind, such as an index into an empty list, makes it false.

        Parameters
        ----------
        facts
            What `node.routing.facts.context` gives.
        """
        return self._value(self.source, facts)[0]

    def verdict(self, facts: Mapping[str, Value], *, show_values: bool) -> Verdict:
        """Evaluate it and say which parts decided.

        Parameters
        ----------
        facts
            What `node.routing.facts.context` gives.
        show_values
            Whether attribute values may stand in the words: they can be the patient's.
        """
        holds = self.holds(facts)
        decisive = list(dict.fromkeys(self._decisive(self.parts, facts, holds)))
        words = [self._words(part, facts, holds, show_values) for part in decisive]
        return Verdict(holds=holds, why="; ".join(words))

    def _value(self, source: str, facts: Mapping[str, Value]) -> tuple[bool, str]:
        try:
            return self.programs[source].execute(_context(facts)) is True, ""
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            return False, str(error).splitlines()[0]

    def _decisive(self, part: Clause, facts: Mapping[str, Value], holds: bool) -> Iterator[Clause]:
        """The smallest parts that by themselves make the whole what it is."""
        if not part.parts:
            yield part
            return
        agreeing = [below for below in part.parts if self._value(below.source, facts)[0] is holds]
        # All parts of an && that holds are needed, and all of an || that does not; else the first one settles it.
        needed = agreeing if (part.joined == "&&") is holds else agreeing[:1]
        for below in needed:
            yield from self._decisive(below, facts, holds)

    def _words(self, part: Clause, facts: Mapping[str, Value], holds: bool, show_values: bool) -> str:
        words = tokens(part.source)
        seen = [
            f"{root}.{name} is {_shown(facts, root, name, show_values)}"
            for root, name, _ in dict.fromkeys((root, name, 0) for root, name, _ in attributes(words, ROOTS))
        ]
        seen += [
            f"{word.word} is {_quoted(facts[word.word])}" for word in words if word.word in AE_ROOTS and show_values
        ]
        _, fault = self._value(part.source, facts)
        said = f"{part.source} {'holds' if holds else 'does not hold'}"
        because = ", ".join([*seen, *([f"it cannot be evaluated: {fault}"] if fault else [])])
        return f"{said} ({because})" if because else said


def parse_condition(source: str) -> Condition:
    """Compile and check a condition.

    Raises
    ------
    ConditionInvalid
        With everything that is wrong: syntax, unknown names, attributes that DICOM does not have, comparisons that
        can never hold, results that are not true or false.
    """
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise ConditionInvalid((_syntax_words(str(error)),)) from error
    parts = clause(source)
    names = tuple(dict.fromkeys(_keywords(source)))
    faults = [*_unknown_names(source, program), *_attribute_faults(source), *_comparison_faults(source)]
    programs = {source: program, **{part.source: cel.compile(part.source) for part in _all_parts(parts)}}
    if not faults:
        faults += _value_faults(parts, programs, names)
    if faults:
        raise ConditionInvalid(tuple(dict.fromkeys(faults)))
    words = tokens(source)
    view = tuple(attributes(words, ("view",)))
    compared = [(name, compared_with(words, last, _first(words, last))) for _, name, last in view]
    return Condition(
        source=source,
        keywords=names,
        view_names=tuple(dict.fromkeys(name for _, name, _ in view)),
        view_words=tuple((name, word.word[1:-1]) for name, word in compared if word and word.kind == "text"),
        parts=parts,
        programs=programs,
    )


def _all_parts(whole: Clause) -> Iterator[Clause]:
    yield whole
    for part in whole.parts:
        yield from _all_parts(part)


def _keywords(source: str) -> Iterator[str]:
    words = tokens(source)
    yield from (name for root, name, _ in attributes(words, DATA_ROOTS))
    yield from (name for name in members(words) if is_keyword(name))


def _syntax_words(message: str) -> str:
    place = message.partition("<input>:")[2]
    line, _, rest = place.partition(":")
    column, _, words = rest.partition(":")
    if not column.isdigit():
        return "is not a CEL expression"
    first = words.strip().splitlines()[0].removeprefix("Syntax error: ")
    return f"is not a CEL expression: line {line}, column {column}: {first}"


def _unknown_names(source: str, program: Any) -> Iterator[str]:  # noqa: ANN401 - cel.Program has no stub class
    bound = bound_names(tokens(source))
    for name in program.variables():
        if name not in ROOTS and name not in bound:
            yield f"{name!r} is unknown{_meant(name, ROOTS)}; there are {', '.join(ROOTS)}"
    for name in program.functions():
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS:
            yield f"there is no function {name!r}{_meant(name, FUNCTIONS)}"


def _attribute_faults(source: str) -> Iterator[str]:
    words = tokens(source)
    for root, name, _ in attributes(words, (*DATA_ROOTS, "view")):
        if root == "view":
            if name not in VIEW:
                yield f"view has no {name!r}{_meant(name, VIEW)}; it has {', '.join(VIEW)}"
        elif not is_keyword(name):
            yield f"{root}.{name}: DICOM has no attribute {name!r}{_meant(name, keywords())}"
        elif vr_of(name) in BULK:
            yield f"{root}.{name} holds bulk data, which conditions cannot see"
    direct = {name for _, name, _ in attributes(words, (*DATA_ROOTS, "view"))}
    for name in members(words):
        if name not in direct and name not in VIEW and not is_keyword(name):
            yield f".{name}: DICOM has no attribute {name!r}{_meant(name, keywords())}"


def _comparison_faults(source: str) -> Iterator[str]:
    words = tokens(source)
    for root, name, last in attributes(words, DATA_ROOTS):
        literal = compared_with(words, last, _first(words, last))
        if literal is None or not is_keyword(name):
            continue
        if is_many(name):
            yield f"{root}.{name} holds several values; write {literal.word} in {root}.{name}"
        elif is_number(name) and literal.kind == "text":
            yield f"{root}.{name} is a number; write {literal.word[1:-1]} without quotes"
        elif not is_number(name) and literal.kind == "number":
            yield f'{root}.{name} is text; write "{literal.word}" in quotes'


def _first(words: Sequence[Token], last: int) -> int:
    """Index of the first token of an attribute that ends at `last`."""
    return last - 2 if words[last - 1].word == "." else last - 3


def _value_faults(parts: Clause, programs: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """What shows when the parts are tried on an image that has nothing."""
    nothing: dict[str, Value] = {name: empty(name) for name in names}
    facts: dict[str, Value] = {
        **dict.fromkeys(DATA_ROOTS, nothing),
        **dict.fromkeys(AE_ROOTS, ""),
        "view": dict(VIEW),
    }
    for part in parts.leaves():
        try:
            result = programs[part.source].execute(_context(facts))
        except LookupError:
            continue  # an index into a list that is empty here
        except (TypeError, ValueError, RuntimeError) as error:
            yield f"{part.source}: {str(error).splitlines()[0]}"
        else:
            if not isinstance(result, bool):
                yield f"{part.source} must be true or false, it is {_kind(result)}"


def _context(facts: Mapping[str, Value]) -> cel.Context:
    return cel.Context(variables=dict(facts), functions=OUR_FUNCTIONS)


def _kind(value: object) -> str:
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a map"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _shown(facts: Mapping[str, Value], root: str, name: str, show_values: bool) -> str:
    group = facts[root]
    value = group.get(name) if isinstance(group, dict) else None
    if value in ("", [], None) or (value == 0 and root == "view"):
        return "empty: nothing is said of it, or nobody has looked" if root == "view" else "empty"
    if show_values:
        return _quoted(value)
    return f"{len(value)} values" if isinstance(value, list) else "another value" if isinstance(value, str) else "given"


def _quoted(value: object) -> str:
    words = repr(value)
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}…"


def _meant(word: str, known: Any) -> str:  # noqa: ANN401 - any collection of words
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
