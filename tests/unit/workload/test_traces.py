"""Public traces of lengths: what their columns mean, in every published variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.models import bare_model
from builders.trace_files import (
    AZURE,
    AZURE_2024,
    AZURE_HEADER,
    BURST,
    BURST_2,
    BURST_HEADER,
    MOONCAKE,
    columns,
    mooncake,
)
from builders.user_files import read

from kvbench.errors import UserError
from kvbench.workload.make import make_workload
from kvbench.workload.selection import FileCounts, counts_of
from kvbench.workload.table import lengths_of
from kvbench.workload.vocabulary import Vocabulary, load_vocabulary


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a"])
def test_azure_has_times_of_day_and_two_lengths(tmp_path: Path, name: str) -> None:
    found = columns(tmp_path, name, AZURE)
    assert found.prompt_tokens.tolist() == [374, 396, 20]
    assert found.output_tokens.tolist() == [44, 109, 5]
    np.testing.assert_array_equal(found.arrival_s, [0, 4.314579, 60.0000001])
    assert found.blocks is None
    assert found.last_place == f"{tmp_path / name}: line 4"


def test_lines_that_are_read_one_by_one_have_the_same_times(tmp_path: Path) -> None:
    found = columns(tmp_path, "a.csv", AZURE.replace("\r\n", "\r\n\r\n"))
    np.testing.assert_array_equal(found.arrival_s, [0, 4.314579, 60.0000001])


def test_azure_of_2024_has_zones_and_times_without_a_fraction(tmp_path: Path) -> None:
    found = columns(tmp_path, "a.csv", AZURE_2024 + "2024-05-10 02:00:05.5+02:00,1,2\n")
    np.testing.assert_array_equal(found.arrival_s, [0, 3.99007, 5.49007])
    assert found.prompt_tokens.tolist() == [374, 396, 1]


@pytest.mark.parametrize("content", [BURST, BURST_2])
def test_burstgpt_has_seconds_and_failed_requests(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"line 3: Response tokens is 0, a request that failed; .* bad_turns: skip"):
        columns(tmp_path, "b.csv", content)
    found = columns(tmp_path, "b.csv", content, bad_turns="skip")
    assert found.prompt_tokens.tolist() == [472, 417]
    assert found.output_tokens.tolist() == [18, 276]
    assert found.arrival_s.tolist() == [0, 113]


def test_mooncake_has_milliseconds_and_hashes_of_full_blocks(tmp_path: Path) -> None:
    found = columns(tmp_path, "m.jsonl", MOONCAKE)
    assert found.prompt_tokens.tolist() == [1100, 1024, 600, 1536]
    assert found.output_tokens.tolist() == [50, 10, 3, 4]
    assert found.arrival_s.tolist() == [0, 0.5, 2, 3]
    assert found.blocks.block_tokens == 512
    assert found.blocks.offsets.tolist() == [0, 2, 4, 5, 8]
    assert found.blocks.ids.tolist() == [0, 1, 0, 1, 0, 0, 1, 2]


@pytest.mark.parametrize("hashes", [[], [3]])
def test_a_last_block_that_is_not_full_may_have_a_hash(tmp_path: Path, hashes: list[int]) -> None:
    found = columns(tmp_path, "m.jsonl", mooncake((0, 511, 1, hashes), (0, 1000, 1, [5, 6])))
    assert found.blocks.offsets.tolist() == [0, 0, 1]


def test_other_keys_of_mooncake_and_columns_of_burstgpt_are_not_read(tmp_path: Path) -> None:
    line = mooncake((5, 600, 3, [1])).replace("{", '{"type": "chat", ', 1)
    assert columns(tmp_path, "m.jsonl", line).prompt_tokens.tolist() == [600]
    content = BURST.replace("\n", ",more\n").replace(",0,1087", ",7,1087")
    assert columns(tmp_path, "b.csv", content).output_tokens.tolist() == [18, 7, 276]


def test_what_is_skipped_is_counted_and_the_rest_keeps_its_order(tmp_path: Path, vocabulary: Vocabulary) -> None:
    content = BURST + "120,x,5000,5,0,x\n121,x,6,7,0,x\n"
    table = read(tmp_path, "b.csv", content, vocabulary, too_long="skip", bad_turns="skip")
    assert counts_of(table) == FileCounts(5, 2, 1)  # 417 + 276 and 5000 + 5 are more than 512
    assert [lengths.tolist() for lengths in lengths_of(table)] == [[472, 6], [18, 7]]
    assert table["arrival_s"].to_pylist() == [0, 116]


def test_the_first_request_is_the_origin_also_if_it_is_skipped(tmp_path: Path) -> None:
    content = f"{BURST_HEADER}\n5,a,1,0,0,x\n6,a,1,1,0,x\n"
    assert columns(tmp_path, "b.csv", content, bad_turns="skip").arrival_s.tolist() == [1]


def test_prompts_are_made_for_a_trace_and_its_arrivals_can_be_sped_up(tmp_path: Path, vocabulary: Vocabulary) -> None:
    table = read(tmp_path, "a.csv", AZURE, vocabulary, speed=2)
    assert [lengths.tolist() for lengths in lengths_of(table)] == [[374, 396, 20], [44, 109, 5]]
    assert table["arrival_s"].to_pylist() == [0, 4.314579 / 2, 60.0000001 / 2]
    assert table["request_id"].to_pylist() == ["1", "2", "3"]
    assert len(table["text"].to_pylist()[2]) == 20
    slow = read(tmp_path, "r.csv", "10,5,1\n10,5,2\n", vocabulary, speed=0.5)
    assert slow["arrival_s"].to_pylist() == [2, 4]


def test_a_speed_without_arrivals_is_refused(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(UserError, match=r"r\.csv: no request arrives later .* speed changes nothing; remove it"):
        read(tmp_path, "r.csv", "10,5\n10,5\n", vocabulary, speed=2)


def test_engines_that_get_all_at_once_refuse_a_trace_with_arrivals(tmp_path: Path) -> None:
    bare = load_vocabulary(bare_model(tmp_path / "m"))
    with pytest.raises(UserError, match=r"a\.csv: line 4: arrives at 60\.0000001 s, but engines get all requests at 0"):
        read(tmp_path, "a.csv", AZURE, bare, live=True)


def test_a_sample_of_a_trace_makes_prompts_of_its_own_requests_only(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = "".join(f"2023-11-16 18:15:{i / 10:010.7f},{10 + i},5\n" for i in range(100))
    file.write_text(f"{AZURE_HEADER}\n{rows}")
    own = {"kind": "user", "file": str(file), "requests": 30}
    first, again, other = (make_workload(own, "mine", seed, 512, bare_model(tmp_path / "m")) for seed in (0, 0, 1))
    assert first.equals(again)
    prompt, _ = lengths_of(first)
    assert len(set(prompt.tolist())) == 30
    assert (np.diff(prompt) > 0).all()
    np.testing.assert_allclose(first["arrival_s"].to_numpy(), (prompt - 10) / 10, atol=1e-7)
    assert lengths_of(other)[0].tolist() != prompt.tolist()
