"""Models that score by any function of vectors of the user's and of the item's."""

from collections.abc import Callable
from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.recommender import Recommender
from tfrec.rescoring import LandmarkSearch, PartSearch

_RANKS = (32, 64, 128)


class TwoSidedRecommender(Recommender):
    """A model that scores by a function of two sides, each of them a list of vectors: score(u, i) = f(s_u, t_i).

    A subclass implements `user_sides`, `history_sides`, `item_sides` and `join_sides`.

    Attributes:
        product_part: which of the vectors of both sides have inner products that make up most of the scores, so that
            items may be searched by these; None: there are no such vectors.
    """

    product_part: int | None = None

    def user_sides(self, users: Tensor) -> list[Tensor]:
        """The vectors of known users: int32 [batch] → each float32 [batch, width]."""
        raise NotImplementedError(f"{type(self).__name__} must implement user_sides")

    def history_sides(self, histories: Tensor) -> list[Tensor]:
        """The vectors of unknown people: ragged int32 [batch, None] → each float32 [batch, width]."""
        raise NotImplementedError(f"{type(self).__name__} must implement history_sides")

    def item_sides(self, items: Tensor = None) -> list[Tensor]:
        """The vectors of items: int32 [...] → each float32 [..., width]; without `items`, of all: [n_items, width]."""
        raise NotImplementedError(f"{type(self).__name__} must implement item_sides")

    def join_sides(self, of_users: list[Tensor], of_items: list[Tensor]) -> Tensor:
        """The scores: each float32 [..., width], each float32 [..., n, width] → float32 [..., n]."""
        raise NotImplementedError(f"{type(self).__name__} must implement join_sides")

    def score(self, users: Tensor) -> Tensor:
        """Scores of all items: int32 [batch] → float32 [batch, n_items]."""
        return self._score_all(self.user_sides(self.check_indices(users)))

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """Scores of all items for unknown people: ragged int32 [batch, None] → float32 [batch, n_items]."""
        return self._score_all(self.history_sides(self.check_histories(histories)))

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs: int32 [batch], int32 [batch] → float32 [batch]."""
        users, items = self.check_indices(users, items)
        return self.join_sides(self.user_sides(users), self.item_sides(items[:, tf.newaxis]))[:, 0]

    def rescore(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of some items for each user: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        users = self.check_indices(users)
        items = self.check_lists(items, users.shape[0])
        return self.join_sides(self.user_sides(users), self.item_sides(items))

    def rescore_histories(self, histories: Tensor, ratings: Tensor, items: Tensor) -> Tensor:
        """Scores of some items for unknown people: ragged [batch, None], int32 [batch, n] → float32 [batch, n]."""
        histories = self.check_histories(histories)
        items = self.check_lists(items, histories.shape[0])
        return self.join_sides(self.history_sides(histories), self.item_sides(items))

    @property
    def search_ranks(self) -> tuple[int, ...]:  # type: ignore[override]  # in the base class a plain attribute
        """0 stands for the vectors of `product_part`, the others for approximations of the scores."""
        return _RANKS if self.product_part is None else (0, *_RANKS)

    def search_model(self, rank: int) -> PartSearch | LandmarkSearch:
        """The vectors of `product_part` at rank 0; else those that `LandmarkSearch` learns from scores."""
        if rank == 0 and self.product_part is not None:
            return PartSearch(self, self.product_part)
        return LandmarkSearch(self, rank)

    def _score_all(self, of_users: list[Tensor]) -> Tensor:
        of_items = self.item_sides()
        return one_by_one(lambda of_one: self.join_sides(of_one, of_items), of_users, [self.n_items])


def one_by_one(function: Callable, rows: Any, shape: Any) -> Tensor:
    """A function of each row, one at a time: hidden layers of all would fill the memory.

    No last bit then depends on the other rows.

    Args:
        function: of one row of a tensor, or of a list of tensors: returns float32 [*shape].
        rows: float32 [batch, …], or a list of such.
        shape: what the function returns.

    Returns:
        float32 [batch, *shape].
    """
    return tf.map_fn(function, rows, fn_output_signature=tf.TensorSpec(shape, tf.float32))
