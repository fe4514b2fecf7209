"""Checkpoints: the state that a run needs to resume exactly, in files that hold numbers and text, and no code.

    checkpoints/00007.json                  the manifest (see Manifest)
    checkpoints/00007.safetensors           arrays
    checkpoints/replay-0-16384.safetensors  a segment: arrays that never change, which later manifests name as well

Each file is written under another name, synced and renamed, the manifest last: a checkpoint is complete or absent. Two
are kept. A checkpoint that is damaged, or newer than the run's metrics, is logged, and the one before it is used.
"""

import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from suite.errors import UserError, one_line
from suite.options import CHECKPOINT_INTERVAL
from suite.record import files
from suite.record.models import File, Fingerprints, KnownFingerprint, Versions, validated

VERSION = 1
KEPT = 2
FOLDER = "checkpoints"
EPOCH_SHARE = 0.01  # of the time since the last checkpoint that one at the end of an epoch may take
MANIFEST_BYTES = 2**28  # at most
FILE_NAME = re.compile(r"[a-z0-9-]+\.safetensors")
#: Files that are removed from the folder, which may be a link into another one: 00007.json, replay-0-16384.safetensors
OWN = re.compile(r"(\d+\.json|(\d+|[a-z]+(-\d+)+)\.safetensors)(\.tmp)?")

Arrays = dict[str, np.ndarray]
State = dict[str, Any]  # nested dicts and lists; their leaves are JSON's values, numpy arrays and Segments
logger = logging.getLogger(__name__)


class Segment(NamedTuple):
    """A leaf of a state: arrays that never change, and so are written once."""

    name: str  # [a-z0-9-]+; the same name means the same arrays, throughout a run
    arrays: Callable[[], Arrays]  # gives them when they are first saved, or reads them back


class Checkpoint(NamedTuple):
    """A checkpoint that was read back."""

    state: State
    metrics_bytes: int  # size of the metrics file when it was written
    versions: Versions  # of the program and its packages when it was written


class Manifest(File):
    """A manifest: plain values, and the fingerprint of each file that belongs to them."""

    version: int
    run: str  # the run's name
    versions: Versions
    metrics: KnownFingerprint  # of the metrics file when the checkpoint was written
    files: Fingerprints
    state: dict[str, Any]  # JSON values; {"$array": path} and {"$segment": name} stand for arrays
    sha256: str  # of the other fields as JSON


class Checkpoints:
    """The checkpoints of one run, in a folder of their own."""

    def __init__(
        self,
        folder: Path,
        metrics: Path,
        run: str,
        versions: Versions,
        *,
        interval: float = CHECKPOINT_INTERVAL,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare a folder of checkpoints. `metrics` is a file that is only ever appended to, `run` the name of the
        run, `interval` the seconds between checkpoints; `asked` tells whether the run was asked to end."""
        self.folder, self.metrics, self.run, self.versions = folder, metrics, run, dict(versions)
        self.interval, self.asked = interval, asked
        self.kept: dict[str, Fingerprints] = {}  # manifest -> the files that it names; oldest first
        self.number = 0  # of the newest checkpoint
        self.saved, self.cost = time.monotonic(), 0.0  # time of the newest one, and the seconds that it took

    def should_save(self, *, epoch_ended: bool = False) -> bool:
        """Return whether to write a checkpoint now: the run was asked to end, the interval is over, or an epoch ended
        and a checkpoint takes at most EPOCH_SHARE of the time."""
        since = time.monotonic() - self.saved
        return self.asked() or since >= self.interval or (epoch_ended and self.cost <= EPOCH_SHARE * since)

    def save(self, state: State) -> None:
        """Write a checkpoint. If the disk refuses, log a warning; the next checkpoint tries again."""
        began = time.monotonic()
        try:
            self._save(state)
        except OSError as error:
            logger.warning("%s: no checkpoint could be written (%s); training continues", self.folder, error.strerror)
            with contextlib.suppress(OSError):  # leave the room that is left to the record
                self._tidy()
        self.saved = time.monotonic()
        self.cost = self.saved - began

    def _save(self, state: State) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays: Arrays = {}
        segments: dict[str, Segment] = {}
        plain = _pack(state, "", arrays, segments)
        written = {file: known for named in self.kept.values() for file, known in named.items()}
        name = f"{self.number + 1:05}"
        contents: dict[str, Callable[[], Arrays]] = {key: item.arrays for key, item in segments.items()}
        contents[name] = lambda: arrays
        named = {}
        for part, arrays_of in contents.items():
            file = f"{part}.safetensors"
            named[file] = written.get(file) or files.write(self.folder / file, files.safetensors(arrays_of()))
        files.sync(self.metrics)
        manifest = {
            "version": VERSION,
            "run": self.run,
            "versions": self.versions,
            "metrics": asdict(files.fingerprint(self.metrics)),
            "files": {file: asdict(known) for file, known in named.items()},
            "state": plain,
        }
        text = json.dumps({**manifest, "sha256": _digest(manifest)}, separators=(",", ":"))
        files.write(self.folder / f"{name}.json", [text.encode()])
        self.number += 1
        self.kept = dict([*self.kept.items(), (f"{name}.json", named)][-KEPT:])
        self._tidy()

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, None if there is none. Damaged ones are logged."""
        by_number = sorted(self.folder.glob("*.json"), key=lambda path: (len(path.name), path.name), reverse=True)
        for path in by_number:
            try:
                manifest = self._read(path)
                state = self._unpack(manifest.state, load_file(path.with_suffix(".safetensors")))
            except (UserError, OSError, SafetensorError) as error:
                logger.warning("checkpoint %s %s: resuming without it", path, one_line(error))
                continue
            self.number, self.kept = int(path.stem), {path.name: manifest.files}
            return Checkpoint(state, manifest.metrics.bytes, manifest.versions)
        return None

    def clear(self) -> None:
        """Remove all checkpoints, since the run has ended."""
        self.kept = {}
        with contextlib.suppress(OSError):  # another process may clear it too, and folders in it stay
            self._tidy()
            self.folder.rmdir()

    def _tidy(self) -> None:
        """Remove our files that no kept manifest names: manifests first, so that none is without its files."""
        needed = {*self.kept, *(name for named in self.kept.values() for name in named)}
        for path in sorted(self.folder.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name not in needed and OWN.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Manifest:
        """Return a manifest of this run whose files are all unchanged. Raises UserError, and OSError for an unreadable
        file."""
        content = _parse(path)
        manifest = validated(Manifest, content, "cannot be used")
        del content["sha256"]
        if manifest.sha256 != _digest(content) or not path.stem.isdecimal():
            raise UserError("has a wrong checksum")
        if (manifest.version, manifest.run) != (VERSION, self.run):
            raise UserError(f"is of version {manifest.version} and run {manifest.run}, not of this run")
        if files.fingerprint(self.metrics, manifest.metrics.bytes) != manifest.metrics:
            raise UserError(f"does not fit {self.metrics.name}, which was cut or changed")
        if f"{path.stem}.safetensors" not in manifest.files:
            raise UserError("was renamed: it describes another checkpoint")
        for name, known in manifest.files.items():
            if not FILE_NAME.fullmatch(name) or not files.unchanged(self.folder / name, known):
                raise UserError(f"cannot be used: {name} was changed")
        return manifest

    def _unpack(self, value: Any, arrays: Arrays) -> Any:
        """Return a state of JSON values, with its arrays and segments. Raises UserError for a missing array."""
        if isinstance(value, list):
            return [self._unpack(item, arrays) for item in value]
        if not isinstance(value, dict):
            return value
        if "$array" in value:
            path = str(value["$array"])
            if path not in arrays:
                raise UserError(f"cannot be used: it has no array {path}")
            return arrays[path]
        if "$segment" in value:
            name = value["$segment"]
            return Segment(name, lambda: load_file(self.folder / f"{name}.safetensors"))
        return {key: self._unpack(item, arrays) for key, item in value.items()}


def _parse(path: Path) -> dict[str, Any]:
    """Return the JSON object in a manifest, where floats may be NaN. Raises UserError, and OSError for an unreadable
    file."""
    if path.stat().st_size > MANIFEST_BYTES:
        raise UserError("is too large")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested too deeply
        raise UserError(f"is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise UserError("is not a JSON object")
    return content


def _pack(value: Any, path: str, arrays: Arrays, segments: dict[str, Segment]) -> Any:
    """Return `value` in JSON's types, and add its arrays and segments to `arrays` and `segments`."""
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
    """Return the leaves of a tree of JAX arrays by their paths, such as "online/0/params/Conv_0/kernel"."""
    return {_name(path): np.asarray(_raw(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def fill(template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the tree that `leaves` was called on, shaped like `template`. Raises UserError if it had another shape."""
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    expected = {_name(path): leaf for path, leaf in paths}
    for name in sorted({*expected, *arrays}):
        wanted = _shape(_raw(expected[name])) if name in expected else "nothing"
        found = _shape(arrays[name]) if name in arrays else "nothing"
        if wanted != found:
            raise UserError(f"the checkpoint holds {found} as {name}, where this version has {wanted}: {START_OVER}")
    return jax.tree_util.tree_unflatten(structure, [_like(leaf, arrays[name]) for name, leaf in expected.items()])


AFRESH = f"to start over, remove the run's folder {FOLDER}"
START_OVER = f"resume the run with the version that began it; {AFRESH}"


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(leaf: Any, array: np.ndarray) -> jax.Array:
    if _is_key(leaf):
        key: jax.Array = jax.random.wrap_key_data(jnp.array(array), impl=jax.random.key_impl(leaf))
        return key
    return jnp.array(array)  # a copy, which a compiled function may consume


def _shape(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"
