"""The split against an oracle that classifies every slot individually."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kvbench.kv.contiguous import BatchRecord, running_rows, scheduled_tokens, split_batch
from kvbench.kv.split import Split, blocks_for, final_kv_length, split_paged, split_rows
from kvbench.records import SPLIT


def slot_by_slot(width: int, padding: int, stored: int, final: int, ended: bool) -> dict[str, int]:
    """Classify each slot of a row by the literal definition."""
    names = []
    for slot in range(width):
        if ended:
            names.append("finished")
        elif slot < padding:
            names.append("padding")
        elif slot < padding + stored:
            names.append("live")
        elif slot < padding + final:
            names.append("reserved")
        else:
            names.append("internal")
    return {name: names.count(name) for name in SPLIT}


def as_dict(split: Split) -> dict[str, int]:
    return {name: int(part) for name, part in zip(SPLIT, split, strict=True)}


@given(st.data())
def test_row_equals_slot_by_slot(data):
    padding = data.draw(st.integers(0, 20))
    stored = data.draw(st.integers(1, 40))
    final = stored + data.draw(st.integers(0, 40))
    width = padding + stored + data.draw(st.integers(0, 60))
    ended = data.draw(st.booleans())
    split = split_rows(width, padding, stored, final, ended)
    assert as_dict(split) == slot_by_slot(width, padding, stored, final, ended)
    assert split.allocated == width


@given(st.integers(1, 200), st.integers(0, 100), st.booleans(), st.integers(1, 64))
def test_paged_equals_slot_by_slot(stored, ahead, ended, block_size):
    split = split_paged(stored, stored + ahead, ended, block_size)
    held = -(-stored // block_size) * block_size
    assert as_dict(split) == slot_by_slot(held, 0, stored, stored + ahead, ended)


def test_names_of_parts_follow_the_files_columns():
    assert Split._fields == SPLIT


def test_last_token_is_never_stored():
    assert final_kv_length([5, 1], [3, 1]).tolist() == [7, 1]


def test_blocks_are_rounded_up():
    assert blocks_for([0, 1, 32, 33], 32).tolist() == [0, 1, 1, 2]


def batch(prompts, outputs, widths) -> BatchRecord:
    steps = len(widths)
    return BatchRecord(
        request_ids=tuple(map(str, range(len(prompts)))),
        prompt_tokens=np.array(prompts),
        output_tokens=np.array(outputs),
        t_ns=np.arange(steps),
        width=np.array(widths),
        rows=np.full(steps, len(prompts)),
        tensor_bytes=np.zeros(steps, np.int64),
        start_ns=0,
        end_ns=steps,
    )


def test_growing_batch_worked_by_hand():
    # Rows: 3 prompt + 1 output (final 3), 1 prompt + 3 outputs (final 3, two pads). Widths 3, 4, 5.
    split = split_batch(batch([3, 1], [1, 3], [3, 4, 5]))
    assert split.live.tolist() == [3 + 1, 2, 3]
    assert split.padding.tolist() == [2, 2, 2]
    assert split.finished.tolist() == [0, 4, 5]
    assert split.reserved.tolist() == [0, 0, 0]
    assert split.allocated.tolist() == [6, 8, 10]


def test_static_batch_reserves_what_will_be_used_and_wastes_the_rest():
    split = split_batch(batch([2], [3], [8, 8, 8]))
    assert split.live.tolist() == [2, 3, 4]
    assert split.reserved.tolist() == [2, 1, 0]
    assert split.internal.tolist() == [4, 4, 4]


def test_running_rows_and_their_tokens():
    record = batch([3, 1], [1, 3], [3, 4, 5])
    assert running_rows(record).tolist() == [2, 1, 1]
    assert scheduled_tokens(record).tolist() == [4, 1, 1]
