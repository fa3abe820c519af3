"""Exit codes, and the error by which a command ends with one."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1  # what was asked for did not succeed
USAGE: Final = 2  # wrong usage or configuration


class CommandFailed(Exception):
    """A command cannot do what it was asked for; the words go to standard error."""

    def __init__(self, words: str, exit_code: int = FAILED) -> None:
        super().__init__(words)
        self.exit_code = exit_code
