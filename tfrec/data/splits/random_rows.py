"""Rows held out at random."""

import numpy as np

from tfrec.checks import check_integer
from tfrec.data.interactions import Interactions
from tfrec.data.splits.orders import BY, By, share_of_each, shuffled
from tfrec.data.splits.parts import Split, check_choice, check_data, check_share, divide


def random_split(data: Interactions, test: float = 0.2, by: By = "user", seed: int = 42) -> Split:
    """Divide the rows at random; both parts keep the order of rows.

    Args:
        data: The interactions.
        test: The share of rows to test on, between 0 and 1.
        by: ``"user"``: of each user's n rows, ``round(test · n)`` are test rows, but never all. ``"global"``: the same
            of all rows together. Halves are rounded to even, as Python's ``round`` does, so a user with few rows may
            have none in the test.
        seed: The same seed divides the same data alike.

    Raises:
        TypeError: If ``data`` is not `Interactions`, or ``seed`` is not a whole number.
        ValueError: If ``test`` is not between 0 and 1, ``by`` is something else, or ``seed`` is negative.
    """
    check_data("random_split", data)
    check_share("random_split", "test", test)
    check_choice("random_split", "by", by, BY)
    generator = np.random.default_rng(check_integer("random_split: seed", seed, minimum=0))
    order = shuffled(data, by, generator)
    return divide(data, order.first(share_of_each(order.sizes, test)))
