"""Reading a workload's file."""

import pyarrow.parquet as pq
from builders.workloads import workload

from kvbench.workload.read import content_digest, read_workload


def test_the_digest_is_of_what_engines_are_given_and_not_of_the_file(tmp_path):
    def digest(compression="snappy", ids=("a", "b"), prompts=((1, 2), (3,)), outputs=(4, 5)):
        path = tmp_path / "w.parquet"
        pq.write_table(workload(prompts, outputs, ids=ids), path, compression=compression)
        return content_digest(read_workload(path))

    assert digest() == digest("zstd") == digest(ids=("c", "d"))
    others = [digest(prompts=((1,), (2, 3))), digest(prompts=((2, 1), (3,))), digest(outputs=(5, 4)), digest()]
    others.append(digest(prompts=((3,), (1, 2)), outputs=(5, 4)))
    assert len(set(others)) == 5
