"""Imported first by scripts that live for a second: without garbage collection their imports take a tenth less time.

`adapter.job` turns it on again.
"""

import gc

gc.disable()
