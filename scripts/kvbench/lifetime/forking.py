"""Work of a background thread that no fork cuts in two.

vLLM forks its engine. A fork copies every lock, those inside libraries such as NVML too, but only the thread that
forks: a lock that another thread held at that moment stays locked in the new process, which may wait for it forever.
"""

from __future__ import annotations

import os
import threading

undivided = threading.RLock()
"""`with undivided:` around such work has a fork wait for its end."""

os.register_at_fork(before=undivided.acquire, after_in_parent=undivided.release, after_in_child=undivided.release)
