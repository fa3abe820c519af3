"""What can go wrong while pictures are gathered and written.

TrainerError
├── BadKey
├── BrokenShard
└── OtherShards
"""

from __future__ import annotations

from trainer.errors import TrainerError


class BadKey(TrainerError):
    """The key of the pseudonyms cannot be used."""

    code = "bad-key"


class BrokenShard(TrainerError):
    """A shard or its manifest is missing, or is not what the manifest says."""

    code = "broken-shard"


class OtherShards(TrainerError):
    """The folder holds what was made from other sources or with other options."""

    code = "other-shards"
