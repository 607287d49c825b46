"""Download a file, check its hash, and only then give it its name."""

import hashlib
import http.client
import urllib.request
from collections.abc import Callable
from pathlib import Path

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.errors import WeightsError

__all__ = ["download_file"]

ATTEMPTS = 2
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20


def download_file(
    url: str,
    target: Path,
    *,
    sha256_prefix: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Download `url` to `target`; after a broken transfer or a wrong hash, delete the file and try a second time.

    Args:
        url: the address.
        target: the final path; its directory is created.
        sha256_prefix: first hexadecimal digits of the content's sha256; empty checks nothing.
        on_progress: called with the bytes downloaded so far and in total (0 if unknown).

    Raises:
        WeightsError: the second attempt failed, too; `target` is as it was before.
    """
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(target) as temporary:
                digest = _fetch(url, temporary, on_progress)
                if not digest.startswith(sha256_prefix):
                    raise _WrongContentError(f"expected a sha256 of {sha256_prefix}…, got {digest[:12]}…")
            return
        except (OSError, http.client.HTTPException, _WrongContentError) as error:
            reason = str(error) or type(error).__name__
    raise WeightsError(f"{url}: the download failed: {reason}")


class _WrongContentError(Exception):
    pass


def _fetch(url: str, path: Path, on_progress: Callable[[int, int], None] | None) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "birdnet-cli"})
    digest = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response, path.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if on_progress:
                on_progress(done, total)
    if done < total:
        raise _WrongContentError(f"got {done:,} of {total:,} bytes")
    return digest.hexdigest()
