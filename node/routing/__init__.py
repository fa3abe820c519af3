"""Routing: rules that say which task runs on which image and where its results go."""

from node.routing.condition import Condition, ConditionInvalid, parse_condition
from node.routing.facts import InstanceFacts, read_header
from node.routing.routes import Explanation, Routes, Rule, compile_routes

__all__ = [
    "Condition",
    "ConditionInvalid",
    "Explanation",
    "InstanceFacts",
    "Routes",
    "Rule",
    "compile_routes",
    "parse_condition",
    "read_header",
]
