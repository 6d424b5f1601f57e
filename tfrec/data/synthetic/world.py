"""Interactions made up at random, with the structure that recommenders live on and a best score that is known."""

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from tfrec.checks import check_integer
from tfrec.data.columns import object_array
from tfrec.data.interactions import Interactions
from tfrec.data.synthetic.choice import START, Choice
from tfrec.data.synthetic.drawing import draw_items
from tfrec.data.synthetic.people import draw_lengths, draw_timestamps
from tfrec.data.synthetic.ranking import BestRanking
from tfrec.data.synthetic.ratings import BestRatings, Opinions

_MOST = 2**31 - 1  # what an index can hold


class WorldOptions(TypedDict, total=False):
    """The options of `synthetic_world`, which says what they mean."""

    n_tastes: int
    user_exponent: float
    item_exponent: float
    drift: float
    markov: float
    noise: float
    rating_noise: float


@dataclass(frozen=True, eq=False)
class SyntheticWorld:
    """Made-up interactions, and the best that can be known of them.

    Attributes:
        interactions: The data.
        best_ranking: Scores items by their true probabilities: no model ranks them better.
        best_ratings: Predicts ratings by their true expectation.
    """

    interactions: Interactions
    best_ranking: BestRanking
    best_ratings: BestRatings

    @cached_property
    def best_rmse(self) -> float:
        """The lowest RMSE that can be expected of a prediction of the ratings.

        It is that of `best_ratings`, which knows all but the noise of an opinion; the effect of rounding to whole
        numbers from 1 to 5 is in it. (`best_ratings.rmse` gives that of a part of the data.)
        """
        return self.best_ratings.rmse(self.interactions)


def synthetic(
    n_users: int = 943,
    n_items: int = 1_682,
    n_interactions: int = 100_000,
    seed: int = 0,
    **options: Unpack[WorldOptions],
) -> Interactions:
    """Made-up ratings, by default in the size of MovieLens-100K: the `interactions` of `synthetic_world`.

    Args:
        n_users: The number of users.
        n_items: The number of items.
        n_interactions: The number of rows, from n_users to n_users * n_items.
        seed: The same seed makes the same data.
        **options: As `synthetic_world`: n_tastes, user_exponent, item_exponent, drift, markov, noise, rating_noise.

    Raises:
        ValueError: If the sizes don't fit together, or an option is out of its range.
        TypeError: If an argument is of another type.
    """
    return synthetic_world(n_users, n_items, n_interactions, seed, **options).interactions


def synthetic_world(
    n_users: int = 943,
    n_items: int = 1_682,
    n_interactions: int = 100_000,
    seed: int = 0,
    *,
    n_tastes: int = 12,
    user_exponent: float = 0.5,
    item_exponent: float = 0.8,
    drift: float = 0.2,
    markov: float = 0.2,
    noise: float = 0.1,
    rating_noise: float = 0.6,
) -> SyntheticWorld:
    """Made-up ratings together with the truth behind them, by which a good model can be told from a bad one.

    **Items.** Item i has the popularity p⁰(i) ∝ rank⁰(i)^-item_exponent at the start of the year and p¹(i), the same
    law of another random order, at its end. It belongs to taste c with the share r(c|i) = softmax_c(5 A), A standard
    normal. A taste is a distribution over items, q_c(i) ∝ p(i) r(c|i) (q⁰ and q¹, as p).

    **Users.** User u has a mixture of tastes θ⁰ at the start and θ¹ at the end, each Dirichlet with sum of parameters
    0.8 and mean π_c = Σ_i p(i) r(c|i): an average user takes items in proportion to p. The number of interactions is
    n_u = 1 + (n_items - 1) (1 - exp(-λ rank(u)^-user_exponent)), rounded, and λ such that n_interactions come out: a
    power law as long as it is far from the whole catalogue. Times are uniform between two uniform points of the year
    (365 days from 2020-01-01), in order.

    **Choice.** At the time τ, as a share of the year, the world is in its late state with probability z = drift · τ.
    After the item j, user u takes item i with probability

        P(i | u, τ, j) = noise · p(i) + (1 - noise) [markov · S(i|j) + (1 - markov) Σ_c θ_c q_c(i)],

    where p = (1 - z) p⁰ + z p¹ and θ_c q_c = (1 - z) θ⁰_c q⁰_c + z θ¹_c q¹_c; S(·|j) are eight successors of j with
    probabilities ∝ 1, ½, … ⅛, drawn from q⁰ of a taste that j belongs to, the same for all users (markov counts as 0
    for a user's first item). No pair occurs twice: of what the user has had, the probability is 0, and the others'
    are scaled up. That is exact, however many items a user takes.

    **Ratings.** The opinion is 3.1 + b_u + b_i + Σ_c θ_c(τ) g_ci + rating_noise · ε, with θ(τ) = (1 - z) θ⁰ + z θ¹, ε
    standard normal, biases normal of deviation 0.4, and g_ci ∝ r(c|i) - π_c scaled such that tastes make a deviation of
    0.5 between users. The rating is the opinion rounded to 1, 2, … 5. Users take what they like, so the mean is higher
    than 3.1.

    **The best score.** `SyntheticWorld.best_ranking` ranks by P; without drift and Markov structure no model has a
    higher expected nDCG on rows held out at random, and with them none on users' last interactions (up to sampling,
    which a large enough test set makes small). `best_rmse` is the lowest that a prediction of ratings can reach. With
    ``noise=1`` popularity is the best model.

    Rows are in the order of time, and a user's rows of one second in the order in which they were drawn. Ids are "1",
    "2", …; titles "Item 1", …. Every user has a row, an item may have none. The arguments and the seed decide the data,
    whatever the number of threads. The time grows with n_interactions (only what users take who have most of the
    catalogue already costs n_items each), the memory with n_interactions and (n_users + n_items) · n_tastes; neither
    with n_users · n_items.

    Args:
        n_users: The number of users.
        n_items: The number of items.
        n_interactions: The number of rows, from n_users to n_users * n_items.
        seed: The same seed makes the same data.
        n_tastes: The number of tastes.
        user_exponent: Of the power law of the users' activity, 0 (all alike) to 3.
        item_exponent: Of the power law of the items' popularity, 0 to 3.
        drift: The share of the late state at the end of the year, 0 to 1.
        markov: The share of successors among the interactions that aren't noise, 0 up to but not including 1.
        noise: The share of interactions that know nothing of the user, 0 to 1.
        rating_noise: Standard deviation of an opinion, at least 0.

    Raises:
        ValueError: If the sizes don't fit together, or an option is out of its range.
        TypeError: If an argument is of another type.
    """
    _check_sizes(n_users, n_items, n_interactions)
    check_integer("seed", seed, minimum=0)
    check_integer("n_tastes", n_tastes, minimum=1)
    _check_range("user_exponent", user_exponent, 3)
    _check_range("item_exponent", item_exponent, 3)
    _check_range("drift", drift, 1)
    _check_range("markov", markov, 1, open_ended=True)
    _check_range("noise", noise, 1)
    _check_range("rating_noise", rating_noise, 100)
    # A stream each, so that one part of the world doesn't change with the options of another.
    for_choice, for_people, for_items, for_ratings = np.random.default_rng(seed).spawn(4)
    choice = Choice.draw(
        for_choice, n_users, n_items,
        n_tastes=n_tastes, item_exponent=item_exponent, drift=drift, markov=markov, noise=noise,
    )  # fmt: skip
    lengths = draw_lengths(for_people, n_users, n_items, n_interactions, user_exponent)
    splits = np.append(0, np.cumsum(lengths))
    timestamp = draw_timestamps(for_people, splits)
    item = draw_items(for_items, choice, splits, timestamp)
    user = np.repeat(np.arange(n_users, dtype=np.int32), lengths)
    opinions = Opinions.draw(for_ratings, choice, rating_noise)
    rating = opinions.rate(for_ratings, user, item, timestamp)
    usual_late = np.add.reduceat(choice.late_share(timestamp), splits[:-1]) / lengths
    data = _by_time(user, item, rating, timestamp, n_users, n_items)
    return SyntheticWorld(data, BestRanking(choice, usual_late), BestRatings(opinions))


def _check_sizes(n_users: int, n_items: int, n_interactions: int) -> None:
    for name, size in (("n_users", n_users), ("n_items", n_items), ("n_interactions", n_interactions)):
        check_integer(name, size, minimum=1)
        if size > _MOST:
            raise ValueError(f"synthetic: expected {name} of at most {_MOST:,}, got {size:,}")
    if not n_users <= n_interactions <= n_users * n_items:
        raise ValueError(
            f"synthetic: expected n_interactions in {n_users:,} … {n_users * n_items:,} (an interaction a user, and no "
            f"pair twice), got {n_interactions:,}"
        )


def _check_range(name: str, value: object, highest: float, *, open_ended: bool = False) -> None:
    expected = f"from 0 {'up to but not including' if open_ended else 'to'} {highest:g}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number {expected}; got {value!r}, a {type(value).__name__}")
    if not 0 <= float(value) <= highest or (open_ended and value == highest):
        raise ValueError(f"{name} must be a number {expected}; got {value!r}")


def _by_time(  # noqa: PLR0917  # the columns, and the sizes of the vocabularies
    user: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    rating: npt.NDArray[np.float32],
    timestamp: npt.NDArray[np.int64],
    n_users: int,
    n_items: int,
) -> Interactions:
    """Rows grouped by user as Interactions in the order of time, without a copy more than that takes."""
    # Several times as fast as a stable argsort, and the same.
    order = np.sort((timestamp - START) * len(timestamp) + np.arange(len(timestamp))) % len(timestamp)
    columns = [values[order] for values in (user, item, rating, timestamp)]
    for values in columns:
        values.setflags(write=False)
    return Interactions(
        *columns,
        user_ids=object_array(str(number) for number in range(1, n_users + 1)),
        item_ids=object_array(str(number) for number in range(1, n_items + 1)),
        item_titles=object_array(f"Item {number}" for number in range(1, n_items + 1)),
        name="synthetic",
    )
