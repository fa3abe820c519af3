"""Pictures out of datagrams: one picture each, or in numbered pieces.

A datagram that begins with FF D8 is a whole JPEG picture. Any other begins with twelve bytes in network order:

======  =====  =======================================================
offset  bytes  meaning
======  =====  =======================================================
0       4      `ECHF`
4       4      number of the picture, any, another for each
8       2      number of this piece, from 0
10      2      how many pieces the picture has, 1 to 65535
======  =====  =======================================================

and the piece follows. Pieces may come in any order and more than once.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from integration.live.frame import Broken

MAGIC = b"ECHF"
HEADER = struct.Struct("!4sIHH")
MOST_BEGUN = 4  # pictures in pieces at one time
PICTURE = b"\xff\xd8"
_REMEMBERED = 16  # pictures whose late pieces are known to be late


@dataclass(slots=True, kw_only=True)
class _Begun:
    count: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    bytes: int = 0


class Reassembly:
    """Puts pictures together, a few at a time.

    Parameters
    ----------
    max_bytes
        A picture that grows beyond it is dropped; at most `MOST_BEGUN` such are held.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._begun: dict[tuple[Hashable, int], _Begun] = {}  # in order of their first pieces
        self._over: deque[tuple[Hashable, int]] = deque(maxlen=_REMEMBERED)

    def take(self, sender: Hashable, datagram: bytes) -> list[bytes | Broken]:
        """Take one datagram.

        Parameters
        ----------
        sender
            Numbers of pictures are told apart by it.

        Returns
        -------
        list
            A picture that became whole, and notes of those that will not be any more: a whole picture ends all that
            were begun before it, because they would come too late.
        """
        if datagram.startswith(PICTURE):
            return self._ended(datagram)
        if len(datagram) <= HEADER.size or not datagram.startswith(MAGIC):
            return [Broken(reason="a datagram holds neither a JPEG picture nor a piece of one")]
        _, number, piece, count = HEADER.unpack_from(datagram)
        key = (sender, number)
        if key in self._over:
            return []
        if piece >= count or self._begun.get(key, _Begun(count=count)).count != count:
            self._end([key])
            return [Broken(reason="the pieces of a picture are numbered wrongly")]
        return self._put(key, piece, count, datagram[HEADER.size :])

    def _put(self, key: tuple[Hashable, int], piece: int, count: int, data: bytes) -> list[bytes | Broken]:
        begun = self._begun.setdefault(key, _Begun(count=count))
        out: list[bytes | Broken] = []
        if piece not in begun.pieces:
            begun.pieces[piece] = data
            begun.bytes += len(data)
        if begun.bytes > self._max:
            self._end([key])
            out.append(Broken(reason=f"a picture is larger than {self._max} bytes: raise live.max_frame_bytes"))
        elif len(begun.pieces) == count:
            whole = b"".join(begun.pieces[index] for index in range(count))
            older = list(self._begun)[: list(self._begun).index(key)]
            self._end([key])
            out += [*self._dropped(older), whole]
        elif len(self._begun) > MOST_BEGUN:
            out += self._dropped([next(iter(self._begun))])
        return out

    def _ended(self, whole: bytes) -> list[bytes | Broken]:
        return [*self._dropped(list(self._begun)), whole]

    def _dropped(self, keys: Iterable[tuple[Hashable, int]]) -> Iterator[Broken]:
        known = [key for key in keys if key in self._begun]
        self._end(known)
        return iter([Broken(reason="a picture lacks pieces")] * len(known))

    def _end(self, keys: Iterable[tuple[Hashable, int]]) -> None:
        for key in keys:
            self._begun.pop(key, None)
            self._over.append(key)
