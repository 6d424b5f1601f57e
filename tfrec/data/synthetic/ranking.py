"""The best ranking of the items of a synthetic world: by the true probabilities."""

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import indices
from tfrec.data.synthetic.choice import Choice, times_of_the_year


class BestRanking:
    """True probabilities of the items of a synthetic world, for the best ranking that there is.

    What a user has had already is not left out: mask it, as for a model's scores.

    Args:
        choice: The choice model.
        usual_late: The mean of the late state's share over each user's interactions, float64 [n_users].
    """

    def __init__(self, choice: Choice, usual_late: npt.NDArray[np.float64]) -> None:
        self._choice = choice
        self._usual_late = usual_late

    def scores(
        self, users: npt.NDArray[np.int32], timestamps: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Probability of each item, whatever came before it: float32 [batch, n_items].

        Without drift and Markov structure this is the Bayes-optimal ranking of rows held out at random: no model has
        a higher expected precision, recall or nDCG. With drift it is the mean over the user's interactions; with Markov
        structure a model can gain from the items around a held-out one: see `next_scores`.

        Args:
            users: User indices, [batch].
            timestamps: Unix seconds, [batch]: at these times. None: the mean over each user's interactions.

        Raises:
            DataError: If an index is not that of a user, or the lengths differ.
        """
        users = indices("users", users, len(self._usual_late))
        late = (
            self._usual_late[users]
            if timestamps is None
            else self._choice.late_share(times_of_the_year(timestamps, len(users)))
        )
        return self._choice.probabilities(users.astype(np.int64), late, np.full(len(users), -1), np.float32)

    def next_scores(
        self, users: npt.NDArray[np.int32], previous: npt.NDArray[np.int32], timestamps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Probability of each item to come next: float32 [batch, n_items].

        Among the items that the user hasn't had this is exact, but for a factor: the Bayes-optimal ranking for a user's
        last interaction, held out, whatever the world's drift, Markov structure and noise.

        Args:
            users: User indices, [batch].
            previous: The item before, [batch]; -1 for none.
            timestamps: When the next interaction takes place, in Unix seconds, [batch].

        Raises:
            DataError: If an index is none, or the lengths differ.
        """
        users = indices("users", users, len(self._usual_late))
        previous = np.asarray(previous)
        first = previous == -1
        items = indices("previous", np.where(first, 0, previous), self._choice.n_items, len(users))
        late = self._choice.late_share(times_of_the_year(timestamps, len(users)))
        return self._choice.probabilities(users.astype(np.int64), late, np.where(first, -1, items), np.float32)
