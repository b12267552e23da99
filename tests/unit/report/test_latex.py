"""Tables as LaTeX: balanced, escaped, with the report's rows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from builders.pipeline import emptied
from builders.places import GALLERY

from kvbench.config.paths import TABLES_IN_LATEX
from kvbench.files import read_table
from kvbench.report.folds import shown
from kvbench.report.latex import CAPTIONS, escape, latex

TABLES = GALLERY / "cpu-2-cores/tables"
RATIOS = {
    "model": "a_b",
    "workload": "50%",
    "point": "base",
    "scope": "all",
    "requests": 8,
    "interval_against_1": None,
    "numerator": "vllm",
    "denominator": "hf-batch",
    "ratio": 2.0,
    "ratio_ci95_low": 1.5,
    "ratio_ci95_high": 2.5,
}
SPEEDS = {f"{arm}_output_tokens_per_s_{part}": None for arm in ("numerator", "denominator")
          for part in ("median", "ci95_low", "ci95_high", "min", "max")}  # fmt: skip


def balanced(text: str) -> bool:
    """Whether braces, environments and the cells of rows match."""
    bare = re.sub(r"\\[{}\\&]", "", text.replace(r"\\", "\n"))
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            stack.append(name)
        elif stack.pop() != name:
            return False
    return not stack and bare.count("{") == bare.count("}")


def test_every_table_that_the_rule_writes_has_a_caption() -> None:
    assert tuple(CAPTIONS) == TABLES_IN_LATEX


@pytest.mark.parametrize("name", CAPTIONS)
@pytest.mark.parametrize("gallery", ["cpu-2-cores", "h200-shapes"])
def test_a_table_is_balanced_and_has_the_rows_of_the_report(name: str, gallery: str) -> None:
    table = read_table(GALLERY / gallery / f"tables/{name}.csv")
    text = latex(name, table)
    assert balanced(text)
    assert text.count(r"\caption{") == text.count(r"\label{tab:") == text.count(r"\begin{table}") == 1
    pairs = table[["model", "workload"]].drop_duplicates().itertuples(index=False, name=None)
    own = [table[(table["model"] == m) & (table["workload"] == w)] for m, w in pairs]
    own = [rows.assign(label=rows["engine"]) if "engine" in rows else rows for rows in own]
    count = sum(len(shown(name, rows.reset_index(drop=True)).rows) for rows in own)
    body = [line for line in text.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
    assert len(body) == count + 1
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in body}) == 1
    assert not re.search(r"(?<!\\)[#_]|[^\x00-\x7f]", "".join(body))


@pytest.mark.parametrize("name", CAPTIONS)
@pytest.mark.parametrize("how", ["empty", "one row", "no number"])
def test_a_poor_table_is_still_a_table(name: str, how: str) -> None:
    assert balanced(latex(name, emptied(read_table(TABLES / f"{name}.csv"), how)))


def test_a_row_by_hand() -> None:
    lines = latex("ratios", pd.DataFrame([{**RATIOS, **SPEEDS}])).splitlines()
    assert lines[-5:-3] == [
        r"\multicolumn{4}{l}{\emph{a\_b, 50\%}} \\",
        r"vllm & hf-batch & 8 (all) & 2 [1.50, 2.50] \\",
    ]


@pytest.mark.parametrize(
    ("text", "as_latex"),
    [
        ("50% of a_b & #1 ${x}", r"50\% of a\_b \& \#1 \$\{x\}"),
        ("a\\b ~ ^", r"a\textbackslash{}b \textasciitilde{} \textasciicircum{}"),
        ("≥ 1 < 2 > 0 |", r"$\geq$ 1 \textless{} 2 \textgreater{} 0 \textbar{}"),
        ("2 × 3 – 4 −1 µs", r"2 $\times$ 3 -- 4 $-$1 $\mu$s"),
        ("\\input{/etc/passwd}\n\n", r"\textbackslash{}input\{/etc/passwd\}  "),
    ],
)
def test_special_characters(text: str, as_latex: str) -> None:
    assert escape(text) == as_latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path: Path) -> None:
    tables = "\n".join(latex(name, read_table(TABLES / f"{name}.csv")) for name in CAPTIONS)
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
    (tmp_path / "all.tex").write_text(head + tables + "\\end{document}\n")
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
