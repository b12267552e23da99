"""seaborn without SciPy: ECDFs need none of it, and importing it takes ten times as long as seaborn itself."""

import sys

if "scipy" in sys.modules:
    import seaborn
else:
    sys.modules["scipy"] = None  # an import of it fails now, and seaborn goes on without
    try:
        import seaborn
    finally:
        del sys.modules["scipy"]

__all__ = ["seaborn"]
