"""Imports seaborn without SciPy, which ECDFs do not need and whose import takes ten times as long as seaborn's."""

import sys

if "scipy" in sys.modules:
    import seaborn
else:
    sys.modules["scipy"] = None  # importing SciPy now fails, and seaborn works without it
    try:
        import seaborn
    finally:
        del sys.modules["scipy"]

__all__ = ["seaborn"]
