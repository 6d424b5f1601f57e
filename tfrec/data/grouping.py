"""Grouping rows by user or item in linear time."""

import numpy as np
import numpy.typing as npt


def group_rows(keys: npt.NDArray[np.int32], n_groups: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Group rows by key, keeping the order of the rows within each group.

    SciPy's conversion from COO to CSR is a counting sort: on a million rows it takes a tenth of the time of numpy's
    stable sorts.

    Args:
        keys: The group of each row, int32 [n], in 0 … n_groups - 1.
        n_groups: The number of groups; some may be empty.

    Returns:
        ``splits``, int64 [n_groups + 1], and ``rows``, int32 [n]: group g has the rows
        ``rows[splits[g]:splits[g + 1]]``, in ascending order.
    """
    from scipy import sparse

    n = len(keys)
    positions = np.arange(n, dtype=np.int32)
    grouped = sparse.coo_array((np.ones(n, np.int8), (keys, positions)), shape=(n_groups, n)).tocsr()
    return grouped.indptr.astype(np.int64), grouped.indices


def group_rows_by_time(
    keys: npt.NDArray[np.int32], times: npt.NDArray[np.int64] | None, n_groups: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """`group_rows` with the rows of a group oldest first; ties, and rows without times, in their own order."""
    if times is None:
        return group_rows(keys, n_groups)
    by_time = np.argsort(times, kind="stable").astype(np.int32)
    splits, positions = group_rows(keys[by_time], n_groups)
    return splits, by_time[positions]


def ranks_in_groups(splits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Position of each element within its group, int64 [splits[-1]], for rows grouped by `group_rows`."""
    return np.arange(splits[-1], dtype=np.int64) - np.repeat(splits[:-1], np.diff(splits))
