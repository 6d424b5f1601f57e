"""The models being served: loads new version folders, swaps them in, lets go of old ones, and lends them to requests.

The life of a version is TensorFlow Serving's: START → LOADING → AVAILABLE → UNLOADING → END. A new version is loaded
and warmed up in full before it answers anything; an old one is given up only once a wanted one is AVAILABLE, and
unloaded when its last request is done. A version that fails to load ends in END with the reason, and is tried again
when its files change.
"""

import enum
import gc
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from tfrec.serving.errors import InvalidArgumentError, LoadError, NotFoundError
from tfrec.serving.folders import Versions, check_labels, check_policies, choose_versions, find_models, fingerprint

log = logging.getLogger("tfrec.serving")

Load = Callable[[str, int, Path], Any]


class State(enum.IntEnum):
    """The states of a version, with the numbers of TensorFlow Serving's `ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """One version of a model, as `Repository.status` reports it; `message` is empty unless it failed to load."""

    version: int
    state: State
    code: grpc.StatusCode
    message: str


@dataclass
class _Version:
    number: int
    state: State = State.START
    message: str = ""
    servable: Any = None
    requests: int = 0  # under way
    failed_files: frozenset[tuple[str, int, int]] | None = None

    def status(self) -> VersionStatus:
        code = grpc.StatusCode.UNKNOWN if self.message else grpc.StatusCode.OK
        return VersionStatus(self.number, self.state, code, self.message)


class Repository:
    """The served versions of every model under an export folder.

    Args:
        export_dir: holds ``<model>/<version>/saved_model.pb``.
        load: called with a model's name, version and folder; returns what `borrow` lends, or raises.
        versions: model → which of its versions to serve: ``"latest"`` (the default), ``"all"`` or a list of numbers.
        labels: model → label → version number.
        poll_seconds: how often the folders are looked at.

    Raises:
        ValueError: if `versions` or `labels` holds something else, or `poll_seconds` isn't positive.
    """

    def __init__(
        self,
        export_dir: Path,
        load: Load,
        *,
        versions: Mapping[str, Versions] | None = None,
        labels: Mapping[str, Mapping[str, int]] | None = None,
        poll_seconds: float = 1.0,
    ) -> None:
        self._export_dir = export_dir
        self._load = load
        self._policies = dict(versions or {})
        check_policies(self._policies)
        check_labels(labels or {})
        if not poll_seconds > 0:
            raise ValueError(f"poll_seconds must be a positive number of seconds, and {poll_seconds!r} came")
        self._labels = {model: dict(of_model) for model, of_model in (labels or {}).items()}
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._models: dict[str, dict[int, _Version]] = {}
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="tfrec-model-watcher", daemon=True)
        self._garbage = False

    def start(self) -> None:
        """Load what is there, then keep watching in a thread of its own.

        Raises:
            LoadError: if not one model could be loaded.
        """
        self.scan()
        failures = [
            f"{name} version {status.version}: {status.message}"
            for name in self.models()
            for status in self.status(name)
            if status.message
        ]
        if not any(s.state is State.AVAILABLE for name in self.models() for s in self.status(name)):
            reasons = "; ".join(failures) or "no wanted version was found"
            raise LoadError(f"no model under {self._export_dir} can be served: {reasons}")
        for name in sorted((self._policies.keys() | self._labels.keys()) - set(self.models())):
            log.warning("versions or labels are set for model %s, which is not there (yet)", name)
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching and unload everything; requests under way keep what they borrowed until they are done."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for name in self.models():
            self._retire(name, wanted=set())

    def models(self) -> list[str]:
        """The names of all models seen so far, sorted."""
        with self._lock:
            return sorted(self._models)

    def scan(self) -> None:
        """Bring what is served into line with the folders, once."""
        try:
            found = find_models(self._export_dir)
        except OSError as error:  # a folder that is away for a moment (a network disk) must not take models down
            log.error("cannot list the export folder %s, serving on as before: %s", self._export_dir, error)
            return
        for name in sorted(found.keys() | set(self.models())):
            paths = found.get(name, {})
            wanted = choose_versions(self._policies.get(name, "latest"), paths)
            for version in sorted(wanted, reverse=True):
                if self._stopping.is_set():
                    return
                self._load_version(name, version, paths[version])
            self._retire(name, wanted)
        if self._garbage:  # a loaded SavedModel holds reference cycles: its memory comes back only when they are found
            self._garbage = False
            gc.collect()

    @contextmanager
    def borrow(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Any]:
        """Lend a loaded model for the time of a ``with`` block; it is not unloaded before the block ends.

        Without `version` and `label`, the highest version that is AVAILABLE.

        Raises:
            StatusError: NOT_FOUND if it isn't served; INVALID_ARGUMENT if there is no name or no such label.
        """
        entry = self._acquire(name, version, label)
        try:
            yield entry.servable
        finally:
            self._release(name, entry)

    def status(self, name: str, version: int | None = None, label: str | None = None) -> list[VersionStatus]:
        """The state of every version of a model seen so far, newest first, or of the one asked for.

        Raises:
            StatusError: NOT_FOUND if there is none; INVALID_ARGUMENT if there is no such label.
        """
        if label:
            version = self._labelled(name, label)
        with self._lock:
            entries = self._models.get(name, {})
            if version is None and not entries:
                raise NotFoundError(f"Could not find any versions of model {name}")
            if version is None:
                return [entries[number].status() for number in sorted(entries, reverse=True)]
            if version not in entries:
                raise NotFoundError(f"Could not find version {version} of model {name}")
            return [entries[version].status()]

    def _labelled(self, name: str, label: str) -> int:
        try:
            return self._labels[name][label]
        except KeyError:
            raise InvalidArgumentError(f"Unrecognized servable version label: {label}") from None

    def _acquire(self, name: str, version: int | None, label: str | None) -> _Version:
        if not name:
            raise InvalidArgumentError("ModelSpec has no name specified.")
        if label:
            version = self._labelled(name, label)
        with self._lock:
            ready = [e for e in self._models.get(name, {}).values() if e.state is State.AVAILABLE]
            if version is not None:
                ready = [entry for entry in ready if entry.number == version]
            if not ready:
                asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise NotFoundError(f"Servable not found for request: {asked}")
            entry = max(ready, key=lambda entry: entry.number)
            entry.requests += 1
            return entry

    def _release(self, name: str, entry: _Version) -> None:
        with self._lock:
            entry.requests -= 1
            self._unload_if_idle(name, entry)

    def _load_version(self, name: str, version: int, path: Path) -> None:
        with self._lock:
            entry = self._models.setdefault(name, {}).setdefault(version, _Version(version))
            if entry.state in (State.AVAILABLE, State.UNLOADING):
                return
        files = fingerprint(path)
        if entry.failed_files == files:
            return
        with self._lock:
            entry.state, entry.message, entry.failed_files = State.LOADING, "", None
        log.info("loading model %s version %d from %s", name, version, path)
        try:
            servable = self._load(name, version, path)
        except Exception as error:
            expected = isinstance(error, LoadError)
            log.error("model %s version %d failed to load: %s", name, version, error, exc_info=not expected)
            with self._lock:
                entry.state, entry.failed_files, self._garbage = State.END, files, True
                entry.message = (
                    str(error) if expected else f"{type(error).__name__} while loading: see the server's log"
                )
            return
        with self._lock:
            entry.servable, entry.state = servable, State.AVAILABLE
        log.info("serving model %s version %d", name, version)

    def _retire(self, name: str, wanted: set[int]) -> None:
        with self._lock:
            entries = self._models.get(name, {})
            available = {number for number, entry in entries.items() if entry.state is State.AVAILABLE}
            if wanted and not wanted & available:
                return
            for number in available - wanted:
                entries[number].state = State.UNLOADING
                self._unload_if_idle(name, entries[number])

    def _unload_if_idle(self, name: str, entry: _Version) -> None:
        """Called with the lock held."""
        if entry.state is State.UNLOADING and not entry.requests:
            entry.servable, entry.state, self._garbage = None, State.END, True
            log.info("unloaded model %s version %d", name, entry.number)

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            try:
                self.scan()
            except Exception:
                log.exception("looking for new model versions failed; trying again in %g s", self._poll_seconds)
