"""Processes that share the work, where this system lets them be started. They import the main module of the program,
so it must be importable."""

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
    """Start a pool of this number of processes, and end it with the context.

    Gives None, and logs a warning that names the cause, if none can be started: processes need semaphores (/dev/shm),
    and a socket in the folder for temporary files (TMPDIR), whose path may have about a hundred characters at most.
    """
    found = None
    try:
        found = ProcessPoolExecutor(number, CONTEXT)
        found.submit(int)  # starts them, or raises
    except (OSError, ImportError, NotImplementedError) as error:
        logger.warning("one process does all the work: others cannot be started here (%s)", error)
        found = None
    try:
        yield found
    finally:
        if found:
            found.shutdown(cancel_futures=True)
