"""The code that draws charts in a browser: Vega, Vega-Lite and vega-embed, from the installed vl-convert."""

from __future__ import annotations

import sys
from pathlib import Path

from kvbench.report.charts.chart import pack

# Where envs/slim.py keeps the code and removes the package that brings it.
KEPT = Path(sys.prefix, "share/kvbench/vega.js")


def library() -> str:
    """A script that defines `vegaEmbed`, compressed with gzip and encoded as base64, about 0.4 MB.

    vega-embed brings Vega's interpreter of expressions, so that it runs on a page which forbids eval.
    """
    if KEPT.is_file():
        return pack(KEPT.read_text(encoding="utf-8"))
    import vl_convert

    return pack(vl_convert.javascript_bundle())
