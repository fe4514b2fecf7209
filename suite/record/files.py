"""Write files that survive a crash whole or not at all, and detect changed ones by fingerprints. No JAX."""

import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

BLOCK = 2**20  # bytes read at a time
#: Errors of fsync on a file system that cannot sync folders. For a file, each is an error.
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
DTYPES = {  # numpy's names -> those of safetensors
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "bfloat16": "BF16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip


@dataclass(frozen=True)
class Fingerprint:
    """The size of a file and its SHA-256."""

    bytes: int
    sha256: str  # hexadecimal
    __pydantic_config__: ClassVar[dict[str, bool]] = {"strict": False}  # so that it is read from a JSON object


def write(path: Path, parts: Iterable[bytes | memoryview], *, lasting: bool = True) -> Fingerprint:
    """Write a file atomically; if `lasting`, sync it, so that it survives a power cut.

    Raises OSError, and then leaves no part of the file.
    """
    temporary = path.with_name(path.name + ".tmp")
    digest, size = hashlib.sha256(), 0
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if lasting:
        sync(path.parent)
    return Fingerprint(size, digest.hexdigest())


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a power cut.

    Some file systems cannot sync folders; there this does nothing. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in NO_FOLDER_SYNC):
            raise
    finally:
        os.close(descriptor)


def fingerprint(path: Path, most: int | None = None) -> Fingerprint:
    """Return the fingerprint of a file, or of its first `most` bytes. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK if most is None else min(BLOCK, most - size)):
            digest.update(block)
            size += len(block)
    return Fingerprint(size, digest.hexdigest())


def unchanged(path: Path, known: Fingerprint) -> bool:
    """Return whether a file can be read and has this fingerprint. Do not read a file of another size."""
    try:
        return path.stat().st_size == known.bytes and fingerprint(path) == known
    except OSError:
        return False


def safetensors(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """Yield the parts of a safetensors file of these arrays, without copies."""
    header, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text))
    yield text
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
