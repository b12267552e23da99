"""Published values: each has a source and conditions, and a broken file is refused in one line."""

from __future__ import annotations

import pytest
from builders.places import PUBLISHED

from kvbench.analysis.published import read_published
from kvbench.errors import UserError
from kvbench.figures import sharing as figure


def test_published_values_stand_beside_their_own_conditions_only() -> None:
    found = read_published(PUBLISHED, "batched_requests")
    like = {"trace": "alpaca", "policy": "oracle", "pool_slots": 15700, "max_length": 2048}
    for rate in (None, float("nan"), 30):  # all at once, or at the paper's rate
        assert [one.low for one in found if one.applies({**like, "requests_per_s": rate})] == [72.75]
    others = {"trace": "mixed", "policy": "hf-batch", "pool_slots": 15000, "max_length": 1024, "requests_per_s": 2.0}
    for key, other in others.items():
        assert not [one for one in found if one.applies({**like, "requests_per_s": None, key: other})]
    region = read_published(PUBLISHED, "kv_region_live_share")
    shares_of = {one.where["policy"]: one.low for one in region}
    assert shares_of == {"reserve-max": 0.204, "power-of-two": 0.268, "oracle": 0.382, "paged": 0.963}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"published.yaml: saved: not a list; write lines that begin with a hyphen"),
        ("saved: [{value: 1, label: a, source: b}]", r"published.yaml: saved\[0\]: conditions is missing"),
    ],
)
def test_a_broken_file_of_published_values_is_one_line(tmp_path, text, message):
    (tmp_path / "published.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_published(tmp_path / "published.yaml", "saved")


def test_every_published_value_has_its_source():
    for quantities in figure.PUBLISHED.values():
        for name in quantities.values():
            for one in read_published(PUBLISHED, name):
                assert one.source.startswith("arXiv")
                assert 0 < one.low <= one.high
