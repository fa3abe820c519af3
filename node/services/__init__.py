"""Services beside storage: performed steps, availability, storage commitment.

What the listener is asked through them changes rows of the database in one transaction before it is answered with
Success; what follows from it, the scheduler does.
"""

from node.services.errors import Refused
from node.services.judging import judge_commitments
from node.services.reporter import Reporters
from node.services.requests import Fulfilled, OwedReport, ServiceRequest
from node.services.services import Services

__all__ = [
    "Fulfilled",
    "OwedReport",
    "Refused",
    "Reporters",
    "ServiceRequest",
    "Services",
    "judge_commitments",
]
