"""Run by the Python of the plan flavour after its packages: removes what no job reads, more than a quarter of them.

What goes: the packages' own tests, C headers and sources, the parts of Arrow that talk to S3 and Flight, PuLP's solvers
(Snakemake's greedy scheduler needs none), and vl-convert's renderer, once the JavaScript that the report takes from it
lies in `share/kvbench`. Then imports what jobs import, so that its bytecode, and no other, is on the disk.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import sysconfig

# kvbench.report.charts.bundle reads this file where it exists.
CHARTS = os.path.join("share", "kvbench", "vega.js")
FOLDERS = re.compile(r"(^|/)tests$|^pyarrow/(include|src)$|^pulp/solverdir$")
FILES = re.compile(
    r"\.(h|hpp|c|cpp|a|pyi|pyx|pxd|pxi)$"
    r"|^pyarrow/(libarrow_flight|libarrow_python_flight|libarrow_s3|_flight|_s3fs)\b"
    r"|^pyarrow/libarrow_python(_\w+)?\.so(\.\d+\.\d+\.\d+)?$"  # copies of libarrow_python.so.<version>
    r"|^vl_convert/vl_convert\.abi3\.so$"
)
IMPORTED = (
    *("altair", "jinja2", "jsonschema", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg"),
    *("matplotlib.pyplot", "nbformat", "numba", "packaging.requirements", "pandas", "psutil", "pyarrow.dataset"),
    *("pyarrow.parquet", "pygments.formatters", "pynvml", "scipy.optimize", "scipy.stats", "seaborn", "snakemake.cli"),
    *("snakemake.report.html_reporter", "tqdm", "yaml"),
)


def main() -> None:
    packages = sysconfig.get_path("purelib")
    keep_charts(os.path.join(sys.prefix, CHARTS))
    remove(packages)
    for name in IMPORTED:
        importlib.import_module(name)


def keep_charts(path: str) -> None:
    """Write the JavaScript of Vega, Vega-Lite and vega-embed to `path`."""
    import vl_convert

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(vl_convert.javascript_bundle())


def remove(packages: str) -> None:
    """Remove from a folder of packages all that FOLDERS and FILES name."""
    for folder, names, files in os.walk(packages):
        place = os.path.relpath(folder, packages).replace(os.sep, "/")
        for name in [name for name in names if FOLDERS.search(_below(place, name))]:
            shutil.rmtree(os.path.join(folder, name))
            names.remove(name)
        for name in files:
            if FILES.search(_below(place, name)):
                os.remove(os.path.join(folder, name))


def _below(place: str, name: str) -> str:
    return name if place == "." else f"{place}/{name}"


if __name__ == "__main__":
    main()
