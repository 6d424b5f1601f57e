"""Models whose score is an inner product of a vector of the user's and one of the item's."""

from tfrec._tf import Tensor, tf
from tfrec.recommender import Recommender


class FactorRecommender(Recommender):
    """A model that scores by inner products: score(u, i) = query(u) · candidate(i).

    Retrieval layers search such models by their vectors. Biases are dimensions of the vectors like any other.

    A subclass implements `query`, `query_histories` and `candidates`.
    """

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement query")

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people, from their histories: ragged [batch, None] → float32 [batch, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement query_histories")

    def candidates(self) -> Tensor:
        """The vectors of all items: float32 [n_items, dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement candidates")

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
        return tf.reduce_sum(self.query(users) * tf.gather(self.candidates(), items), axis=1)
