"""vLLM's GPU worker, which also keeps the memory and time of CUDA graph capture (`worker_cls`)."""

from __future__ import annotations

import time
from typing import Any

from vllm.v1.worker.gpu_worker import Worker


class GraphMeasuringWorker(Worker):
    """Keeps the memory of CUDA graphs, including the driver's share, and their time: vLLM only logs both."""

    graph_bytes, graph_s = 0, 0.0

    def compile_or_warm_up_model(self, *args: Any, **kwargs: Any) -> Any:
        capture = self.model_runner.capture_model

        def measured(*args: Any, **kwargs: Any) -> int:
            begin = time.monotonic()
            self.graph_bytes = capture(*args, **kwargs)
            self.graph_s = time.monotonic() - begin
            return self.graph_bytes

        self.model_runner.capture_model = measured
        try:
            return super().compile_or_warm_up_model(*args, **kwargs)
        finally:
            self.model_runner.capture_model = capture
