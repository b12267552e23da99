"""Each head layout of paging_price divides its query heads evenly over its KV heads."""

from __future__ import annotations

from kvbench.config.wording import Invalid


def check_paging_price(section: dict) -> None:
    for name, own in section["layouts"].items():
        shared = own.get("kv_heads", 1)
        if own["heads"] % shared:
            problem = f"{own['heads']} query heads cannot share {shared} KV heads evenly; write a multiple of {shared}"
            raise Invalid(f"paging_price.layouts.{name}.heads", problem)
