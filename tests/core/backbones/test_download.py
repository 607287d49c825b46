import hashlib
import io
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest

from birdnet_cli.core.backbones.download import ATTEMPTS, CHUNK_BYTES, download_file
from birdnet_cli.core.errors import WeightsError

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 256) + b"the end"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.invalid/net-0.pth"


class Server:
    """Answers the n-th request with the n-th content, and the last one from then on."""

    def __init__(self, *contents: bytes, length: int | None = None) -> None:
        self.contents = contents
        self.length = length
        self.requests = 0

    def open(self, request: urllib.request.Request, timeout: float) -> io.BytesIO:
        content = self.contents[min(self.requests, len(self.contents) - 1)]
        self.requests += 1
        response = io.BytesIO(content)
        response.headers = Message()  # type: ignore[attr-defined]
        response.headers["Content-Length"] = str(self.length or len(content))  # type: ignore[attr-defined]
        return response


def serve(monkeypatch: pytest.MonkeyPatch, server: Server) -> Server:
    monkeypatch.setattr(urllib.request, "urlopen", server.open)
    return server


def test_a_download_arrives_whole_with_progress(monkeypatch, tmp_path):
    serve(monkeypatch, Server(CONTENT))
    progress: list[tuple[int, int]] = []
    target = tmp_path / "new" / "folder" / "net.pth"
    download_file(URL, target, sha256_prefix=DIGEST[:8], on_progress=lambda *step: progress.append(step))
    assert target.read_bytes() == CONTENT
    assert progress == [(CHUNK_BYTES, len(CONTENT)), (len(CONTENT), len(CONTENT))]
    assert list(target.parent.iterdir()) == [target]


def test_a_wrong_hash_is_retried_deleted_and_reported(monkeypatch, tmp_path):
    server = serve(monkeypatch, Server(b"something else"))
    with pytest.raises(WeightsError, match=f"{URL}: the download failed: expected a sha256 of {DIGEST[:8]}"):
        download_file(URL, tmp_path / "net.pth", sha256_prefix=DIGEST[:8])
    assert server.requests == ATTEMPTS
    assert list(tmp_path.iterdir()) == []


def test_a_short_transfer_is_deleted_and_reported(monkeypatch, tmp_path):
    serve(monkeypatch, Server(CONTENT[:100], length=len(CONTENT)))
    with pytest.raises(WeightsError, match="got 100 of 1,048,583 bytes"):
        download_file(URL, tmp_path / "net.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_second_attempt_may_succeed(monkeypatch, tmp_path):
    serve(monkeypatch, Server(b"garbage", CONTENT))
    download_file(URL, tmp_path / "net.pth", sha256_prefix=DIGEST)
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_a_failed_download_leaves_an_existing_file_as_it_was(monkeypatch, tmp_path):
    target: Path = tmp_path / "net.pth"
    target.write_bytes(b"old")
    serve(monkeypatch, Server(b"garbage"))
    with pytest.raises(WeightsError):
        download_file(URL, target, sha256_prefix=DIGEST)
    assert target.read_bytes() == b"old"


def test_an_unreachable_server_is_reported_with_its_reason(monkeypatch, tmp_path):
    def refuse(request: urllib.request.Request, timeout: float) -> None:
        raise urllib.error.URLError("name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(WeightsError, match=r"the download failed: .*name or service not known"):
        download_file(URL, tmp_path / "net.pth")
