"""Reading large variables without copying them.

`tf.gather` of a variable itself, which is meant for training, puts the variable into a mode in which whatever reads
all of it afterwards gets a copy. For a table of a million vectors that is a quarter of a gigabyte a request, many times
the cost of the product that is wanted. What answers requests reads tables by these functions, which end that mode.
"""

from typing import Any

from tfrec._tf import Tensor, tf


def whole(table: Any) -> Tensor:
    """All of a variable: not a copy, whatever has read the variable before; of one on several devices, this one's."""
    # Asked of the class: a distributed variable passes on to a plain tensor what it doesn't have itself.
    return table.read_value_no_copy() if hasattr(type(table), "read_value_no_copy") else tf.convert_to_tensor(table)


def rows_of(table: Any, rows: Tensor) -> Tensor:
    """Rows of a variable: int32 [...] → [..., width]."""
    return tf.gather(whole(table), rows)
