"""What the client's two ways to a server have in common."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np


class TensorInfo(NamedTuple):
    """Type and shape of one input or output; `dtype` is numpy's name for it, "string" for text, None a free size."""

    dtype: str
    shape: tuple[int | None, ...] | None


class SignatureInfo(NamedTuple):
    """The inputs and outputs of one signature, by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class ModelMetadata(NamedTuple):
    """What a server says about a model: the version that would answer, and its signatures by name."""

    model: str
    version: int
    signatures: dict[str, SignatureInfo]


class VersionState(NamedTuple):
    """One version of a model: START, LOADING, AVAILABLE, UNLOADING or END, and why, if it failed to load."""

    version: int
    state: str
    error: str


class ModelSpec(NamedTuple):
    """A model, and at most one of a version and a label."""

    name: str
    version: int | None = None
    label: str | None = None


class Transport(Protocol):
    """One way to talk to a model server; every method raises `ServingError` when the server says no."""

    def predict(self, spec: ModelSpec, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run a signature; strings of the outputs are `str` in arrays of objects."""

    def metadata(self, spec: ModelSpec) -> ModelMetadata:
        """The signatures of a model."""

    def status(self, spec: ModelSpec) -> list[VersionState]:
        """The state of every version, newest first."""

    def close(self) -> None:
        """Let go of the connection."""


def as_input(name: str, value: Any) -> np.ndarray:
    """An input as an array: numpy arrays keep their type, Python ints become int32 and floats float32.

    Raises:
        ValueError: for a ragged list, or something that no tensor holds.
    """
    if isinstance(value, np.ndarray):
        array = value
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"input {name!r} is ragged: pad its rows to one length") from error
        narrow = {np.dtype(np.int64): np.int32, np.dtype(np.float64): np.float32}.get(array.dtype)
        if narrow is np.int32 and array.size and not (array.min() >= -(2**31) and array.max() < 2**31):
            narrow = None
        array = array.astype(narrow) if narrow else array
    if array.dtype.kind not in "biufSUO":
        raise ValueError(f"input {name!r} holds {array.dtype}, which no model takes")
    if array.dtype == object and not all(isinstance(item, str | bytes) for item in array.flat):
        raise ValueError(f"input {name!r} holds mixed values: expected text, whole numbers or floats throughout")
    return array


def as_text(name: str, array: np.ndarray) -> np.ndarray:
    """An output's `bytes` as `str`, unless its name says that they are bytes (``…_bytes``) or they aren't UTF-8."""
    if array.dtype.kind not in "OS" or name.endswith("_bytes"):
        return array
    text = np.empty(array.shape, dtype=object)
    try:
        text.flat[:] = [item.decode("utf-8") if isinstance(item, bytes) else item for item in array.flat]
    except UnicodeDecodeError:
        return array
    return text
