"""Time the attention kernel that vLLM uses with and without a block table; on a CPU, record why not."""

import os

import kvbench.preflight.quick_start  # noqa: F401 (first)
from kvbench.adapter import job, leave
from kvbench.files import read_record, write_json, write_parquet
from kvbench.kernel.shapes import shapes
from kvbench.records import PAGING_PRICE

NO_CUDA = (
    "the kernel was not timed: it needs a CUDA device, and on a CPU vLLM has no kernel that takes K and V without a "
    "block table"
)


def main(snakemake):
    with job(snakemake) as task:
        import pyarrow as pa

        if read_record(snakemake.input.environment, "device")["device"] == "cpu":
            record, rows = {"reason": NO_CUDA}, []
        else:
            record, rows = timed(snakemake.params, task)
        write_parquet(snakemake.output.samples, pa.Table.from_pylist(rows, schema=PAGING_PRICE))
        write_json(snakemake.output.record, {"reason": None, **record})
    leave()


def timed(params, task):
    """The record and the rows of all shapes, measured while no other job measures."""
    from kvbench.machine.cards import hold_cards, refuse_others
    from kvbench.machine.host import shown_gpu_ids
    from kvbench.machine.nvml import Session
    from kvbench.machine.turns import Turn

    session = Session()
    hold_cards(session, 1, task.tell)
    refuse_others(session, 1, allow=params.shared_gpu)
    gpu_ids = shown_gpu_ids()
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    with Turn(task.tell) as turn:
        from kvbench.kernel.price import Price

        price, all_shapes = Price(params.settings, params.seed), list(shapes(params.settings))
        turn.measure()
        with task.progress(len(all_shapes), "shapes") as bar:
            for shape in all_shapes:
                price.measure(shape)
                bar.update(1)
    session.close()
    return {**price.record(), "gpu_ids": gpu_ids}, price.rows


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
