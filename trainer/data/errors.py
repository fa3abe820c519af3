"""What can go wrong while pictures are gathered and written.

TrainerError
├── BadAddress
├── BadKey
├── BrokenShard
├── HalfFetched
└── OtherShards
"""

from __future__ import annotations

from trainer.errors import TrainerError


class BadAddress(TrainerError):
    """What is given as the address of a PACS is none."""

    code = "bad-address"


class BadKey(TrainerError):
    """The key of the pseudonyms cannot be used."""

    code = "bad-key"


class BrokenShard(TrainerError):
    """A shard or its manifest is missing, or is not what the manifest says."""

    code = "broken-shard"


class HalfFetched(TrainerError):
    """Not all images of a PACS came; those that did are kept, and the same command goes on."""

    code = "half-fetched"


class OtherShards(TrainerError):
    """The folder holds what was made from other sources or with other options."""

    code = "other-shards"
