"""What can go wrong with the words of the catalogue.

TrainerError
└── NotInCatalogue
"""

from __future__ import annotations

from trainer.errors import TrainerError


class NotInCatalogue(TrainerError):
    """A region or an organ that the catalogue does not have."""

    code = "not-in-catalogue"
