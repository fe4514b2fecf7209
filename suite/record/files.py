"""Files that after a crash are there in full or not at all, and that show when they have changed. No JAX."""

import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 2**20  # bytes read at a time
#: What fsync says of a folder on a file system that has no such call for folders; of a file, each is an error.
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
DTYPES = {  # numpy's names -> those of safetensors
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "bfloat16": "BF16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip

Fingerprint = dict[str, Any]  # {"bytes": size, "sha256": hexadecimal digest}


def write(path: Path, parts: Iterable[bytes | memoryview], *, lasting: bool = True) -> Fingerprint:
    """Write a file atomically, and unless it need not last, so that it outlives a power cut.

    Raises OSError, and leaves nothing behind then.
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
    return {"bytes": size, "sha256": digest.hexdigest()}


def sync(path: Path) -> None:
    """What was written to a file, or which names a folder holds, outlives a power cut from here on.

    For a folder, as far as its file system can do that. Raises OSError.
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
    """Of a file, or of its first `most` bytes. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK if most is None else min(BLOCK, most - size)):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def unchanged(path: Path, known: Fingerprint) -> bool:
    """Whether a file is the one that the fingerprint was taken of. A wrong size is seen before anything is read."""
    try:
        return path.stat().st_size == known["bytes"] and fingerprint(path) == known
    except (OSError, TypeError, KeyError):  # or what should be its fingerprint is none
        return False


def safetensors(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The parts of a safetensors file of these arrays, which are not copied."""
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
