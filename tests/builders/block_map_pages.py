"""Pages with nothing but maps of the blocks, as the report embeds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

from builders.block_maps import encode
from kvbench.report import html

PAGE = """{% from "block-map.html.j2" import block_map, block_map_style, block_map_script %}
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Maps</title>{{ block_map_style() }}</head>
<body><main><h1>Maps</h1>
{% for id, document in maps.items() %}
{% if folded %}<details><summary>{{ id }}</summary>{% endif %}
{{ block_map(id, document.model ~ "/" ~ document.workload, encode(document)) }}
{% if folded %}</details>{% endif %}
{% endfor %}
</main>{{ block_map_script() }}</body></html>
"""


def write_page(path: Path, maps: dict[str, dict[str, Any]], *, folded: bool = False) -> str:
    """Write a page with the maps of these documents, by id; its address."""
    templates = FileSystemLoader(Path(html.__file__).with_name("templates"))
    loader = ChoiceLoader([DictLoader({"page": PAGE}), templates])
    jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    path.write_text(jinja.get_template("page").render(maps=maps, folded=folded, encode=encode), encoding="utf-8")
    return path.as_uri()
