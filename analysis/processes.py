"""Processes that share the work, where this system lets them be started. They run modules, so a main module that calls
this can be imported."""

import contextlib
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

#: Processes are forked from one that has no threads.
CONTEXT = multiprocessing.get_context("forkserver")
logger = logging.getLogger(__name__)


@contextlib.contextmanager
def pool(number: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of this number of processes.

    None, and a warning that names the cause, where there can be none: they need semaphores (/dev/shm), and a socket in
    the folder for temporary files (TMPDIR), whose path may have some hundred characters.
    """
    found = None
    try:
        found = ProcessPoolExecutor(number, CONTEXT)
        found.submit(int)  # starts them, or raises
    except (OSError, ImportError, NotImplementedError) as error:
        logger.warning("one process does all: others cannot be started here (%s)", error)
        found = None
    try:
        yield found
    finally:
        if found:
            found.shutdown(cancel_futures=True)
