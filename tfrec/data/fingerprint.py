"""A name for the content of interactions that every machine and process agrees on."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


def fingerprint(data: "Interactions") -> str:
    """SHA-256 over the columns, little-endian, and the ids; every part is preceded by its length."""
    digest = hashlib.sha256(b"tfrec interactions 1")
    columns = (
        ("user", data.user, "<i4"),
        ("item", data.item, "<i4"),
        ("rating", data.rating if data.has_ratings else None, "<f4"),
        ("timestamp", data.timestamp, "<i8"),
        ("weight", data.weight, "<f4"),
    )
    for name, values, dtype in columns:
        digest.update(f"{name} {-1 if values is None else len(values)};".encode())
        if values is not None:
            digest.update(np.ascontiguousarray(values, dtype=dtype).data)
    for ids in (data.user_ids, data.item_ids):
        texts = [text.encode() for text in ids]
        digest.update(f"ids {len(texts)};".encode())
        digest.update(np.array([len(text) for text in texts], dtype="<i8").data)
        digest.update(b"".join(texts))
    return digest.hexdigest()
