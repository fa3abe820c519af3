"""Looking before routing: the task packages that tell rules what an image shows, and how a study waits for them."""

from node.looking.before import ViewBeforeRouting
from node.looking.lookers import NOBODY, Looker, Lookers, lookers_of, unmet

__all__ = ["NOBODY", "Looker", "Lookers", "ViewBeforeRouting", "lookers_of", "unmet"]
