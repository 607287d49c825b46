"""A writer's lock on a parts directory, dropped by the kernel when its holder dies, and a file naming the holder."""

import json
import os
import socket
from pathlib import Path

import filelock

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.errors import CacheError

__all__ = ["lock_directory"]

LOCK_FILE = "lock"
HOLDER_FILE = "holder.json"


def lock_directory(directory: Path) -> filelock.BaseFileLock:
    """Create `directory` where needed and return its lock, held.

    Raises:
        CacheError: another process holds it; the message names its process id and host.
    """
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / LOCK_FILE, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise CacheError(
                f"{directory}: {_holder(directory)} is writing here: wait for it, stop it, or choose another -o"
            ) from error
        # The previous holder may have removed the directory after this process made it and before it got the lock.
        if (directory / LOCK_FILE).exists():
            break
        lock.release()
    holder = {"pid": os.getpid(), "host": socket.gethostname()}
    write_bytes_atomically(directory / HOLDER_FILE, json.dumps(holder).encode())
    return lock


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / HOLDER_FILE).read_bytes())
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
