"""Matrices in blocks: what the dense algorithms share."""

from tfrec._tf import Tensor, tf

BLOCKS = 8


def block_offsets(size: int, blocks: int) -> list[int]:
    return [size * block // blocks for block in range(blocks + 1)]


def symmetric_from_panels(panels: list, offsets: list[int]) -> Tensor:
    """The full symmetric matrix whose upper triangle is given by column panels.

    Panel c holds the rows from 0 to `offsets[c + 1]` of the columns from `offsets[c]` to `offsets[c + 1]`.
    """
    rows = []
    for c, panel in enumerate(panels):
        start, end = offsets[c], offsets[c + 1]
        left = [tf.transpose(panel[:start])] if c else []
        rows.append(tf.concat([*left, panel[start:], *(right[start:end] for right in panels[c + 1 :])], axis=1))
    return tf.concat(rows, axis=0)
