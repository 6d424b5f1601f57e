"""A small fitted model, and its export."""

import numpy as np
import pytest

from tfrec.data import Interactions
from tfrec.models import EASE


def make_data(n_items: int = 12) -> Interactions:
    """Users of two tastes; the last user and the last item have no row; ids are awkward on purpose."""
    generator = np.random.default_rng(0)
    n_users = 20
    wants = generator.random((n_users, n_items)) < np.where(
        np.arange(n_items) % 2 == np.arange(n_users)[:, None] % 2, 0.7, 0.1
    )
    wants[-1, :] = wants[:, -1] = False
    user, item = np.nonzero(wants)
    return Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        rating=generator.integers(1, 6, len(user)).astype(np.float32),
        timestamp=np.arange(len(user)),
        user_ids=np.array([f"user {u}" for u in range(n_users)], dtype=object),
        item_ids=np.array(["007", "é\nü", *(f"item-{i}" for i in range(2, n_items))], dtype=object),
        item_titles=np.array([f"Title {i}" for i in range(n_items)], dtype=object),
    )


@pytest.fixture(scope="session")
def data() -> Interactions:
    return make_data()


@pytest.fixture(scope="session")
def model(data):
    model = EASE(l2=2.0)
    model.fit(data, verbose=0)
    return model


@pytest.fixture(scope="session")
def export_dir(model, tmp_path_factory):
    """`<export_dir>/ease/1`."""
    folder = tmp_path_factory.mktemp("exports")
    model.export(folder / "ease", k=5, max_k=8, metrics={"ndcg@10": 0.5})
    return folder


@pytest.fixture(scope="session")
def version(export_dir):
    return export_dir / "ease" / "1"
