"""Downloads from a server of the test's own: whole, resumed, interrupted, wrong."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from maskrcnn.cli.download import fetch
from maskrcnn.network.weights.released import Release

CONTENT = bytes(range(256)) * 16
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file and remembers what was asked for."""

    knows_ranges = True
    cut = 0  # bytes that are held back at the end
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.ranges: list[str | None] = []

    @property
    def release(self) -> Release:
        return Release(f"http://127.0.0.1:{self.server_port}/weights.h5", len(CONTENT), MD5)


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        if self.path != "/weights.h5":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        rest = self.server.content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) - self.server.cut])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def test_the_file_is_whole_and_alone(server: Server, folder: Path):
    path = fetch(server.release, folder)
    assert path == folder / "weights.h5"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    assert server.ranges == [None]


def test_a_stopped_download_is_resumed(server: Server, folder: Path):
    folder.mkdir()
    (folder / "weights.h5.part").write_bytes(CONTENT[:1000])
    assert fetch(server.release, folder).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_an_interrupted_download_is_kept_and_resumed(server: Server, folder: Path):
    server.cut = 96
    with pytest.raises(ConnectionError, match=r"weights\.h5` must be reachable; got 4000 of 4096 bytes\. Run the"):
        fetch(server.release, folder)
    assert [path.name for path in folder.iterdir()] == ["weights.h5.part"]
    server.cut = 0
    assert fetch(server.release, folder).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=4000-"]


def test_a_server_without_ranges_sends_all_anew(server: Server, folder: Path):
    server.knows_ranges = False
    folder.mkdir()
    (folder / "weights.h5.part").write_bytes(b"x" * 1000)
    assert fetch(server.release, folder).read_bytes() == CONTENT


def test_a_complete_part_is_not_asked_for(server: Server, folder: Path):
    folder.mkdir()
    (folder / "weights.h5.part").write_bytes(CONTENT)
    assert fetch(server.release, folder).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_wrong_download_is_removed(server: Server, folder: Path):
    server.content = CONTENT[::-1]
    with pytest.raises(ValueError, match=rf"weights\.h5\.part` must have the published MD5 {MD5}; got"):
        fetch(server.release, folder)
    assert list(folder.iterdir()) == []


def test_a_file_that_is_there_is_only_verified(server: Server, folder: Path):
    folder.mkdir()
    (folder / "weights.h5").write_bytes(CONTENT)
    fetch(server.release, folder)
    assert server.ranges == []
    (folder / "weights.h5").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"weights\.h5` must have the published MD5 .*; got .*, remove it"):
        fetch(server.release, folder)
    assert (folder / "weights.h5").read_bytes() == b"mine"


def test_a_moved_file_is_told(server: Server, folder: Path):
    lost = Release(server.release.url.replace("weights.h5", "lost.h5"), len(CONTENT), MD5)
    with pytest.raises(ConnectionError, match=r"lost\.h5` must be reachable; got HTTP Error 404: Not Found"):
        fetch(lost, folder)
    assert list(folder.iterdir()) == []


def test_a_silent_server_is_told(server: Server, folder: Path):
    release = server.release
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match=r"must be reachable; got .*refused.* put the file at .*weights\.h5\.$"):
        fetch(release, folder)
