"""Read parts, cells and folded lists of a page's HTML."""

from __future__ import annotations

import html
import re


def part(page: str, name: str) -> str:
    """The HTML of a part of the report, by its id."""
    return page.partition(f'<section class="part" id="{name}">')[2].partition('<section class="part"')[0]


def parts(page: str) -> list[str]:
    """The ids of the report's parts, in its order."""
    return re.findall(r'<section class="part" id="([^"]*)">', page)


def cells(page: str) -> set[str]:
    """The text of all cells of tables and of all facts of claims, escaped."""
    return set(re.findall(r"<t?d[d]?(?: class=\"\w\")?>(.*?)</t?d[d]?>", page))


def rows(page: str) -> list[list[str]]:
    """The rows of all tables, escaped."""
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page) if "<td" in row]


def folded(page: str) -> dict[str, list[str]]:
    """The names in each folded list, by its summary line."""
    found = re.findall(r"<details><summary>([^<]*)</summary><ul>(.*?)</ul>", page, flags=re.S)
    return {html.unescape(line): re.findall(r"<li>(.*?)</li>", html.unescape(names)) for line, names in found}


def text(page: str) -> str:
    """The text of HTML on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
