"""What can go wrong in a site's own adaptation.

TrainerError
└── PromotionError
    ├── BadSite
    ├── BadRecord
    ├── SiteBusy
    ├── NoLabels
    ├── NothingRuns
    ├── CannotCompare
    ├── NotPromoted
    ├── PackageAltered
    ├── NothingToRollBack
    └── NodeSilent
"""

from __future__ import annotations

from trainer.errors import TrainerError


class PromotionError(TrainerError):
    """Any fault of a site's loop."""

    code = "promotion"


class BadSite(PromotionError):
    """The site's configuration cannot be read or breaks its schema."""

    code = "promotion-configuration"


class BadRecord(PromotionError):
    """The record is damaged before its last line."""

    code = "promotion-record"


class SiteBusy(PromotionError):
    """Another command works on the same site folder."""

    code = "promotion-busy"
    retryable = True


class NoLabels(PromotionError):
    """The cohort holds nothing that this task can learn from or be measured with."""

    code = "promotion-no-labels"


class NothingRuns(PromotionError):
    """No package of the task is installed that a candidate could be compared with."""

    code = "promotion-nothing-runs"


class CannotCompare(PromotionError):
    """Two packages did not answer the same pictures, or answer them in another way."""

    code = "promotion-cannot-compare"


class NotPromoted(PromotionError):
    """The candidate may not be promoted; the message says why."""

    code = "promotion-refused"


class PackageAltered(PromotionError):
    """A package on disk is not the one that was recorded."""

    code = "promotion-package-altered"


class NothingToRollBack(PromotionError):
    """No promotion of the task stands."""

    code = "promotion-nothing-to-roll-back"


class NodeSilent(PromotionError):
    """The node does not answer, or answers something else than its interface says."""

    code = "promotion-node-silent"
    retryable = True
