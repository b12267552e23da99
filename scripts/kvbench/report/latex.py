"""The tables of the report as LaTeX (booktabs), one file each, with a caption and a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import rows_of_pair
from kvbench.report.cells import NONE, WRAPPED
from kvbench.report.folds import shown

# Tables and their captions, in the order of the report.
CAPTIONS = {
    "throughput": "Output and total token rates: medians over repeats [95% interval]",
    "ratios": "Ratios of output token rates on the same requests [95% interval]",
    "attribution": "Factors of vLLM's speed over one request at a time [95% interval]",
    "claims": "Claims, each with a threshold written before any result",
    "latency": "Latencies",
    "kv_waste": "What allocated KV slots hold, in means over steps",
}
NEEDS = "% needs \\usepackage{booktabs,graphicx}"
SPECIAL = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "µ": r"$\mu$",
    "…": r"\dots{}",
    "\N{NO-BREAK SPACE}": "~",
    "\n": " ",
}
TEXT_WIDTH = 0.24  # of \textwidth, for a column of long text


def escape(text: str) -> str:
    """Text as LaTeX shows it unchanged."""
    return "".join(SPECIAL.get(char, char) for char in text)


def latex(name: str, table: pd.DataFrame) -> str:
    """results/tables/<name>.csv as a table environment, with the report's columns and rows.

    Rows are grouped by model and workload; what the report folds is a note under the table.
    """
    pairs = list(table[["model", "workload"]].drop_duplicates().itertuples(index=False, name=None))
    parts = {pair: shown(name, rows_of_pair(table, *pair)) for pair in pairs}
    columns = list(dict.fromkeys(column for part in parts.values() for column in part.rows))
    rows = {", ".join(pair): part.rows.reindex(columns=columns, fill_value=NONE) for pair, part in parts.items()}
    rows = {title: frame for title, frame in rows.items() if len(frame)}
    notes = [f"{', '.join(pair)}: {fold.line.rstrip('.')}." for pair, part in parts.items() for fold in part.folds]
    lines = [NEEDS, r"\begin{table}[htbp]", r"\centering", r"\footnotesize"]
    lines += [f"\\caption{{{escape(CAPTIONS[name])}.}}", f"\\label{{tab:{name.replace('_', '-')}}}"]
    lines += _tabular(columns, rows) if rows else ["No rows."]
    lines += [rf"\par\smallskip {escape(note)}" for note in notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _layout(columns: Sequence[str], rows: Mapping[str, pd.DataFrame]) -> str:
    """A letter for each column: wrapped where a cell is long, to the right where cells are numbers."""
    letters = []
    for column in columns:
        cells = [cell for frame in rows.values() for cell in frame[column]]
        if max(map(len, cells), default=0) > WRAPPED:
            letters.append(rf"p{{{TEXT_WIDTH}\textwidth}}")
        else:
            numbers = all(cell == NONE or cell[:1].isdigit() or cell[:1] == "-" for cell in cells)
            letters.append("r" if numbers else "l")
    return "".join(letters)


def _tabular(columns: Sequence[str], rows: Mapping[str, pd.DataFrame]) -> list[str]:
    """The lines of a tabular that is made smaller if it is wider than the text; `rows` by model and workload."""
    layout = _layout(columns, rows)
    lines = [r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%", rf"\begin{{tabular}}{{{layout}}}"]
    lines += [r"\toprule", _row(columns)]
    for title, frame in rows.items():
        lines += [r"\midrule"]
        lines += [rf"\multicolumn{{{len(columns)}}}{{l}}{{\emph{{{escape(title)}}}}} \\"]
        lines += [_row(row) for row in frame.itertuples(index=False)]
    return [*lines, r"\bottomrule", r"\end{tabular}}"]


def _row(cells: Sequence[str]) -> str:
    """A row; braces before a bracket or an asterisk, which the end of the row before would take for its argument."""
    line = " & ".join(map(escape, cells))
    return ("{}" if line.startswith(("[", "*")) else "") + line + r" \\"
