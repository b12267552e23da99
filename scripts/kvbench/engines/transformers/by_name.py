"""Create an `hf-` engine by name, importing only the modules that it needs."""

from __future__ import annotations

from kvbench.engines.base import Engine, EngineSettings


def make_engine(settings: EngineSettings) -> Engine:
    """The engine that `settings.engine` names, not yet loaded."""
    if settings.engine == "hf-continuous":
        from kvbench.engines.transformers.continuous import ContinuousEngine

        return ContinuousEngine(settings)
    from kvbench.engines.transformers.padded import TransformersEngine

    return TransformersEngine(settings)
