"""Checkpoints: all that a run needs to go on exactly where it was, in files that hold numbers and text, and no code.

    checkpoints/00007.json                  the manifest: plain values, and the size and SHA-256 of each file that
                                            belongs to them; it has a checksum of its own
    checkpoints/00007.safetensors           arrays
    checkpoints/replay-0-16384.safetensors  a segment: arrays that never change, which later manifests name as well

Each file is written under another name, synced and renamed, the manifest last: a checkpoint is complete or absent. Two
are kept. One that is damaged, or that the run's metrics do not reach, is named, and the one before it is used.
"""

import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from suite.errors import UserError
from suite.options import CHECKPOINT_INTERVAL
from suite.record import files

VERSION = 1
KEPT = 2
FOLDER = "checkpoints"
EPOCH_SHARE = 0.01  # of the time since the last checkpoint that one at the end of an epoch may take
MANIFEST_BYTES = 2**28  # at most
FILE_NAME = re.compile(r"[a-z0-9-]+\.safetensors")

Arrays = dict[str, np.ndarray]
State = dict[str, Any]  # nested dicts and lists; their leaves are JSON's values, numpy arrays and Segments
logger = logging.getLogger(__name__)


class Segment(NamedTuple):
    """A leaf of a state: arrays that never change, and so are written once."""

    name: str  # [a-z0-9-]+; the same name means the same arrays, throughout a run
    arrays: Callable[[], Arrays]  # gives them when they are first saved, or reads them back


class Checkpoint(NamedTuple):
    """What was read back."""

    state: State
    metrics_bytes: int  # how long the metrics file was
    versions: dict[str, str | None]  # of everything, when it was written


class Damaged(Exception):
    """Why a checkpoint cannot be used."""


class Checkpoints:
    """The checkpoints of one run, in a folder of their own."""

    def __init__(
        self,
        folder: Path,
        metrics: Path,
        run: str,
        versions: Mapping[str, str | None],
        *,
        interval: float = CHECKPOINT_INTERVAL,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        """`metrics` is a file that is only ever appended to, `run` the name of the run, `interval` the seconds from one
        checkpoint to the next; `asked` says whether somebody wants the run to end."""
        self.folder, self.metrics, self.run, self.versions = folder, metrics, run, dict(versions)
        self.interval, self.asked = interval, asked
        self.kept: dict[str, dict[str, files.Fingerprint]] = {}  # manifest -> the files that it names; oldest first
        self.number = 0
        self.saved, self.cost = time.monotonic(), 0.0  # when the last one was, and the seconds that it took

    def due(self, *, epoch_ended: bool = False) -> bool:
        """Whether it is time for a checkpoint: somebody wants the run to end, the interval is over, or an epoch ended
        and a checkpoint now does not cost more than EPOCH_SHARE of the time."""
        since = time.monotonic() - self.saved
        return self.asked() or since >= self.interval or (epoch_ended and self.cost <= EPOCH_SHARE * since)

    def save(self, state: State) -> None:
        """Write a checkpoint. If the disk refuses, that is said, and tried again when the next one is due."""
        began = time.monotonic()
        try:
            self._save(state)
        except OSError as error:
            logger.warning("%s: no checkpoint could be written (%s); training goes on", self.folder, error.strerror)
        self.saved = time.monotonic()
        self.cost = self.saved - began

    def _save(self, state: State) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays: Arrays = {}
        segments: dict[str, Segment] = {}
        plain = _pack(state, "", arrays, segments)
        known = {name: print_ for named in self.kept.values() for name, print_ in named.items()}
        name = f"{self.number + 1:05}"
        named = {}
        for file, contents in {**{key: item.arrays for key, item in segments.items()}, name: lambda: arrays}.items():
            file = f"{file}.safetensors"
            named[file] = known.get(file) or files.write(self.folder / file, files.safetensors(contents()))
        files.sync(self.metrics)
        manifest = {
            "version": VERSION,
            "run": self.run,
            "versions": self.versions,
            "metrics": files.fingerprint(self.metrics),
            "files": named,
            "state": plain,
        }
        text = json.dumps({**manifest, "sha256": _digest(manifest)}, separators=(",", ":"))
        files.write(self.folder / f"{name}.json", [text.encode()])
        self.number += 1
        self.kept = dict([*self.kept.items(), (f"{name}.json", named)][-KEPT:])
        self._tidy()

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that can be relied on, None if there is none; those that cannot are named."""
        for path in sorted(self.folder.glob("*.json"), reverse=True):
            try:
                manifest = self._read(path)
            except Damaged as reason:
                logger.warning("checkpoint %s %s: going on without it", path, reason)
                continue
            self.number, self.kept = int(path.stem), {path.name: manifest["files"]}
            return Checkpoint(manifest["state"], manifest["metrics"]["bytes"], manifest["versions"])
        return None

    def clear(self) -> None:
        """Remove all checkpoints, since the run has ended."""
        self.kept = {}
        with contextlib.suppress(OSError):  # who finds the run finished clears it as well, and what is no file stays
            self._tidy()
            self.folder.rmdir()

    def _tidy(self) -> None:
        """Remove what no kept manifest names: manifests first, so that none is without its files."""
        needed = {*self.kept, *(name for named in self.kept.values() for name in named)}
        for path in sorted(self.folder.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name not in needed and path.is_file():
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Any]:
        """A manifest that is whole and belongs to this run, as do the files that it names, with its state unpacked.
        Raises Damaged."""
        try:
            if path.stat().st_size > MANIFEST_BYTES:
                raise Damaged("is too large")
            manifest = json.loads(path.read_bytes())
            digest = manifest.pop("sha256")
            if digest != _digest(manifest) or not path.stem.isdecimal():
                raise Damaged("does not have the checksum that it should have")
            if (manifest["version"], manifest["run"]) != (VERSION, self.run):
                raise Damaged(f"is of version {manifest['version']} and run {manifest['run']}, not of this run")
            metrics = manifest["metrics"]
            if files.fingerprint(self.metrics, metrics["bytes"]) != metrics:
                raise Damaged(f"does not fit {self.metrics.name}, which was cut or changed")
            if f"{path.stem}.safetensors" not in manifest["files"]:
                raise Damaged("has the name of another one")
            for name, known in manifest["files"].items():
                if not FILE_NAME.fullmatch(name) or not files.unchanged(self.folder / name, known):
                    raise Damaged(f"is damaged: {name} is not what it was")
            state = self._unpack(manifest["state"], load_file(path.with_suffix(".safetensors")))
            return {**manifest, "versions": dict(manifest["versions"]), "state": dict(state)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise Damaged(f"cannot be read ({type(error).__name__})") from None

    def _unpack(self, value: Any, arrays: Arrays) -> Any:
        if isinstance(value, list):
            return [self._unpack(item, arrays) for item in value]
        if not isinstance(value, dict):
            return value
        if "$array" in value:
            return arrays[value["$array"]]
        if "$segment" in value:
            name = value["$segment"]
            return Segment(name, lambda: load_file(self.folder / f"{name}.safetensors"))
        return {key: self._unpack(item, arrays) for key, item in value.items()}


def _pack(value: Any, path: str, arrays: Arrays, segments: dict[str, Segment]) -> Any:
    """`value` in JSON's types; its arrays and segments are collected."""
    if isinstance(value, Segment):
        segments[value.name] = value
        return {"$segment": value.name}
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"$array": path}
    if isinstance(value, dict):
        return {key: _pack(item, f"{path}/{key}", arrays, segments) for key, item in value.items()}
    if isinstance(value, list):
        return [_pack(item, f"{path}/{index}", arrays, segments) for index, item in enumerate(value)]
    return value


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def leaves(tree: Any) -> Arrays:
    """The leaves of a tree of JAX arrays by their paths, such as "online/0/params/Conv_0/kernel"."""
    return {_name(path): np.asarray(_raw(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def fill(template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The tree that `leaves` was called on, shaped like `template`. Raises UserError if it had another shape."""
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    expected = {_name(path): leaf for path, leaf in paths}
    for name in sorted({*expected, *arrays}):
        wanted = _shape(_raw(expected[name])) if name in expected else "nothing"
        found = _shape(arrays[name]) if name in arrays else "nothing"
        if wanted != found:
            raise UserError(f"the checkpoint holds {found} as {name}, where this version has {wanted}: {START_OVER}")
    return jax.tree_util.tree_unflatten(structure, [_like(leaf, arrays[name]) for name, leaf in expected.items()])


START_OVER = f"the run goes on with the version that began it; to start over, remove its folder {FOLDER}"


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(leaf: Any, array: np.ndarray) -> jax.Array:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.array(array), impl=jax.random.key_impl(leaf))
    return jnp.array(array)  # a copy, which a compiled function may consume


def _shape(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"
