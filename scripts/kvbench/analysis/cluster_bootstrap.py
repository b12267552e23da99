"""Bootstrap of repeats that share processes: first processes are resampled, then the repeats within each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def resampled_medians(
    values: np.ndarray, processes: Sequence[int], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """`resamples` medians, each over processes drawn with replacement and over repeats drawn within each of them.

    `processes` names each value's process. This is the two-stage resampling of Davison and Hinkley, Bootstrap Methods
    and Their Application (1997), section 3.8, strategy 2; Kalibera and Jones use it for benchmarks with several
    repeats per process: Quantifying Performance Changes with Effect Size Confidence Intervals (arXiv:2007.10899).
    """
    grid, sizes = _grid(values, processes)
    chosen = rng.integers(len(grid), size=(resamples, len(grid)))
    places = (rng.random((*chosen.shape, grid.shape[1])) * sizes[chosen][..., None]).astype(int)
    drawn = grid[chosen[..., None], places]
    # A process with fewer repeats than the largest contributes only that many values.
    drawn[np.arange(grid.shape[1]) >= sizes[chosen][..., None]] = np.inf
    ordered = np.sort(drawn.reshape(resamples, -1), axis=1)
    counts = sizes[chosen].sum(axis=1)
    middle = np.stack([(counts - 1) // 2, counts // 2], axis=1)
    return np.take_along_axis(ordered, middle, axis=1).mean(axis=1)


def _grid(values: np.ndarray, processes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """One row of values per process, with short rows padded, and the number of values of each process."""
    labels = np.asarray(processes)
    groups = [values[labels == label] for label in np.unique(labels)]
    sizes = np.array([len(group) for group in groups])
    grid = np.zeros((len(groups), sizes.max()))
    for row, group in zip(grid, groups, strict=True):
        row[: len(group)] = group
    return grid, sizes
