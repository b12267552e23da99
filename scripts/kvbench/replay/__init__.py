"""Replays a workload under KV allocation policies, step by step and without a model: see docs/replay.md."""

from kvbench.kv.policies import ALLOCATORS, POLICIES
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.result import COLUMNS, PARTS, Replay, RequestTimes, Series, Steps, Totals
from kvbench.replay.simulate import replay
from kvbench.replay.step_time import StepTime

__all__ = [
    "ALLOCATORS",
    "COLUMNS",
    "PARTS",
    "POLICIES",
    "Replay",
    "RequestTimes",
    "Series",
    "Settings",
    "StepTime",
    "Steps",
    "Totals",
    "Trace",
    "replay",
]
