"""Parts that cards of every kind are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from models.findings import Code


class CardPart(BaseModel):
    """Cards are closed and frozen: a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeOnCard(CardPart):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str = Field(max_length=64)

    def to_code(self) -> Code:
        """As findings carry it."""
        return Code(value=self.value, scheme=self.scheme, meaning=self.meaning)


class Structure(CardPart):
    """What a task outlines, boxes or marks."""

    name: str
    category: CodeOnCard  # segmented property category
    type: CodeOnCard  # segmented property type
    site: CodeOnCard


class KindSettings(CardPart):
    """What the settings of all kinds share."""

    scope: float | None = Field(default=None, ge=0, le=1)  # least scope score; None: the task has no scope head
    unlike: float | None = Field(default=None, gt=0)  # most distance from its training pictures; None: it is not asked
    flow: float = Field(default=0.02, ge=0, le=1)  # most of a view in the colours of flow; tasks learn from gray
