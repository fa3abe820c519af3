"""What is to be read, in which order, before anything is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trainer.data.pictures import Item, LeftOut, Source
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.splitting import SPLITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One item and where it comes from."""

    source: Source
    item: Item
    key: str  # pseudonym of the item, with its source's name before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All items in the order in which they are read."""

    items: tuple[Planned, ...]
    left_out: Mapping[str, int]  # what is no item: how many, by reason
    digest: str  # of the items, their state and the options


def make_plan(sources: Sequence[Source], pseudonyms: Pseudonyms, options: Mapping[str, object]) -> Plan:
    """Order the items of all sources.

    Split after split, what is judged on first, so that of two pictures alike the one to learn from goes. Within a
    split by their keys, which mixes sources and keeps the order when the same command runs again.
    """
    items: list[Planned] = []
    left_out: Counter[str] = Counter()
    for source in sources:
        for found in source.items():
            if isinstance(found, LeftOut):
                left_out[found.reason] += 1
            else:
                key = f"{source.name}-{pseudonyms.of('item', source.name, found.name)}"
                items.append(Planned(source=source, item=found, key=key))
    items.sort(key=lambda each: (SPLITS.index(each.item.split), each.key.rsplit("-", 1)[-1], each.key))
    return Plan(items=tuple(items), left_out=dict(left_out), digest=_digest(items, options))


def _digest(items: Iterable[Planned], options: Mapping[str, object]) -> str:
    whole = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for each in items:
        whole.update(f"{each.key}\0{each.item.split}\0{each.item.state}\n".encode())
    return whole.hexdigest()
