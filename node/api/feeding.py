"""A request's body on its way into a thread: in blocks, so that handing over costs little, while the next ones come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

BLOCK_BYTES: Final = 512 * 2**10


class Feeder:
    """Hands a body's pieces to one thread; at most two blocks are in memory."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "feed")
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._fed: asyncio.Future[None] | None = None  # the block that the thread is at

    async def give(self, piece: bytes, feed: Callable[[bytes], None]) -> None:
        """The next piece for `feed`; waits while a whole block is ahead of the thread.

        What `feed` raises comes out of a later call here.
        """
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes >= BLOCK_BYTES:
            await self._hand_over(feed)

    async def finish(self, feed: Callable[[bytes], None]) -> None:
        """No more comes: wait until all is taken."""
        await self._hand_over(feed)
        await self._caught_up()

    async def end(self, last: Callable[[], None]) -> None:
        """Do one last thing in the thread, whatever became of the pieces, and give it back."""
        fed, self._fed = self._fed, None
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, last)
        finally:
            self._thread.shutdown(wait=False)
            if fed is not None and fed.done() and not fed.cancelled():
                fed.exception()  # of a body that was given up: asyncio would log its words, which may be the client's

    async def _hand_over(self, feed: Callable[[bytes], None]) -> None:
        await self._caught_up()
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        self._fed = asyncio.get_running_loop().run_in_executor(self._thread, _feed_all, pieces, feed)

    async def _caught_up(self) -> None:
        fed, self._fed = self._fed, None
        if fed is not None:
            await fed


def _feed_all(pieces: list[bytes], feed: Callable[[bytes], None]) -> None:
    for piece in pieces:
        feed(piece)
