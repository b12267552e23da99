"""What the capacity page shows in a browser."""

from __future__ import annotations

from typing import Any

ERRORS = """() => Object.fromEntries(
  [...document.querySelectorAll("[data-error]:not([hidden])")].map((line) => [line.dataset.error, line.textContent]))"""


def ready(page: Any) -> Any:
    """The page, once its replays are there."""
    page.wait_for_selector("#calculator:not([hidden])[aria-busy=false]")
    return page


def at_once(page: Any) -> dict[str, str]:
    """Requests at once by policy, as the page writes them."""
    rows = page.locator(".policies > li").all()
    return {row.get_attribute("data-policy"): row.locator("b").inner_text() for row in rows if row.locator("b").count()}


def errors(page: Any) -> dict[str, str]:
    return page.evaluate(ERRORS)
