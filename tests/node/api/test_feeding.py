"""A body's pieces on their way into a thread."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from node.api.feeding import BLOCK_BYTES, Feeder


def test_feeder__pieces_of_any_length__come_in_order_in_one_other_thread() -> None:
    came: list[bytes] = []
    threads: set[int] = set()

    def feed(piece: bytes) -> None:
        came.append(piece)
        threads.add(threading.get_ident())

    sent = [bytes([number % 251]) * length for number, length in enumerate([1, 0, BLOCK_BYTES, 7, 3 * BLOCK_BYTES, 5])]

    async def run() -> None:
        feeder = Feeder()
        for piece in sent:
            await feeder.give(piece, feed)
        await feeder.finish(feed)
        await feeder.end(lambda: threads.add(threading.get_ident()))

    asyncio.run(run())
    assert came == sent
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_feeder__thread_is_behind__the_sender_is_held_up() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def feed(piece: bytes) -> None:
        begun.set()
        go_on.wait(30)

    async def run() -> bool:
        feeder = Feeder()
        await feeder.give(bytes(BLOCK_BYTES), feed)
        second = asyncio.ensure_future(feeder.give(bytes(BLOCK_BYTES), feed))
        await asyncio.to_thread(begun.wait, 30)
        waited = not second.done()
        go_on.set()
        await second
        await feeder.finish(feed)
        await feeder.end(lambda: None)
        return waited

    assert asyncio.run(run())


def test_feeder__fault_in_the_thread__comes_out_and_the_end_still_runs() -> None:
    ended = []

    def feed(piece: bytes) -> None:
        raise ValueError("no such body")

    async def run() -> None:
        feeder = Feeder()
        try:
            await feeder.give(b"x", feed)
            await feeder.finish(feed)
        finally:
            await feeder.end(lambda: ended.append(True))

    with pytest.raises(ValueError, match="no such body"):
        asyncio.run(run())
    assert ended == [True]


def test_feeder__given_up_while_the_thread_works__the_end_comes_after_it() -> None:
    order = []
    begun, go_on = threading.Event(), threading.Event()

    def feed(piece: bytes) -> None:
        begun.set()
        go_on.wait(30)
        order.append("fed")

    async def run() -> None:
        feeder = Feeder()
        await feeder.give(bytes(BLOCK_BYTES), feed)
        await asyncio.to_thread(begun.wait, 30)
        ending = asyncio.ensure_future(feeder.end(lambda: order.append("ended")))
        go_on.set()
        await ending

    asyncio.run(run())
    assert order == ["fed", "ended"]


def test_feeder__fault_in_a_body_that_was_given_up__its_words_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def feed(piece: bytes) -> None:
        raise ValueError("words of the client")

    async def run() -> None:
        feeder = Feeder()
        await feeder.give(bytes(BLOCK_BYTES), feed)
        await feeder.end(lambda: None)
        del feeder
        gc.collect()

    asyncio.run(run())
    assert "words of the client" not in caplog.text
