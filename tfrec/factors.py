"""Models whose score is an inner product of a vector of the user's and one of the item's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from tfrec._tf import Tensor, tf
from tfrec.recommender import Recommender


class FactorRecommender(Recommender):
    """A model that scores by inner products: score(u, i) = query(u) · candidate(i).

    Retrieval layers search such models by their vectors. Biases are dimensions of the vectors like any other.

    A subclass implements `query`, `query_histories` and `candidates`; what these read of the table `item_table` for
    some items only, they read by `item_rows`.

    Attributes:
        item_table: the name of the variable, float32 [n_items, n], that holds the leading columns of `candidates()`;
            None if nothing reads single rows of it.
    """

    search_ranks: tuple[int, ...] = (0,)
    scores_are_products = True
    item_table: str | None = None

    def __init__(self, *, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        self._state.item_rows = None  # what stands in for the item table

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement query")

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people, from their histories: ragged [batch, None] → float32 [batch, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement query_histories")

    def candidates(self) -> Tensor:
        """The vectors of all items: float32 [n_items, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement candidates")

    def search_model(self, rank: int) -> Self:
        """The model itself, whose scores need no approximation."""
        return self

    # Single rows of the table.

    def item_rows(self, items: Tensor) -> Tensor:
        """Rows of the item table: int32 [...] → float32 [..., n]."""
        table, stand_in = getattr(self, str(self.item_table)), self._state.item_rows
        if stand_in is None:
            return tf.gather(table, items)
        width = table.shape[1]
        return tf.ensure_shape(stand_in(items)[..., :width], [*items.shape, width])

    def candidate_rows(self, items: Tensor) -> Tensor:
        """Rows of `candidates()`: int32 [...] → float32 [..., dimension]."""
        stand_in = self._state.item_rows
        return self.gather_candidates(items) if stand_in is None else stand_in(items)

    def gather_candidates(self, items: Tensor) -> Tensor:
        """`candidate_rows` from the model's own variables; to be overridden where `candidates` computes a table."""
        return tf.gather(self.candidates(), items)

    @contextmanager
    def rows_from(self, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Within this context, functions are traced that read single rows of candidates by another function.

        An index that holds the vectors anyway can so stand in for the table, and a SavedModel keeps them once.

        Args:
            function: rows of `candidates()`, or nearly those: int32 [...] → float32 [..., dimension].
        """
        before, self._state.item_rows = self._state.item_rows, function
        try:
            yield
        finally:
            self._state.item_rows = before

    # Scores.

    def score(self, users: Tensor) -> Tensor:
        """Scores of all items: int32 [batch] → float32 [batch, n_items]."""
        return tf.matmul(self.query(self.check_indices(users)), self.candidates(), transpose_b=True)

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """Scores of all items for unknown people: ragged int32 [batch, None] → float32 [batch, n_items].

        Args:
            histories: items, oldest first.
            ratings: ragged float32 [batch, None], a rating for each item; None where there are none.
        """
        queries = self.query_histories(self.check_histories(histories), ratings)
        return tf.matmul(queries, self.candidates(), transpose_b=True)

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs: int32 [batch], int32 [batch] → float32 [batch]."""
        users, items = self.check_indices(users, items)
        return tf.reduce_sum(self.query(users) * self.candidate_rows(items), axis=1)

    def rescore(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of some items for each user: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        users = self.check_indices(users)
        return tf.linalg.matvec(self.candidate_rows(self.check_lists(items, users.shape[0])), self.query(users))

    def rescore_histories(self, histories: Tensor, ratings: Tensor, items: Tensor) -> Tensor:
        """Scores of some items for unknown people: ragged [batch, None], int32 [batch, n] → float32 [batch, n]."""
        queries = self.query_histories(self.check_histories(histories), ratings)
        return tf.linalg.matvec(self.candidate_rows(self.check_lists(items, histories.shape[0])), queries)
