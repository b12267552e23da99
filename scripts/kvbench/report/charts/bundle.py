"""The code that draws charts in a browser: Vega, Vega-Lite and vega-embed, from the installed vl-convert."""

from __future__ import annotations

from kvbench.report.charts.chart import pack


def library() -> str:
    """A script that defines `vegaEmbed`, compressed with gzip and encoded as base64, about 0.4 MB.

    vega-embed brings Vega's interpreter of expressions, so that it runs on a page which forbids eval.
    """
    import vl_convert

    return pack(vl_convert.javascript_bundle())
