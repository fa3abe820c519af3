"""The real-time path: frames of a running acquisition to findings, within a budget of time."""

from node.live.advice import Advisor
from node.live.engines import NodeOrOwnEngine, TaskEngine
from node.live.guidance import quality_settings
from node.live.result import LiveResult, result_to_json, summary_to_json
from node.live.session import LiveOptions, LiveSession, warm
from node.live.smoothing import Smoothing
from node.live.tally import Summary

__all__ = [
    "Advisor",
    "LiveOptions",
    "LiveResult",
    "LiveSession",
    "NodeOrOwnEngine",
    "Smoothing",
    "Summary",
    "TaskEngine",
    "quality_settings",
    "result_to_json",
    "summary_to_json",
    "warm",
]
