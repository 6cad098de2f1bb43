import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import DataError
from pipeline.data.download import ADDRESS, _adopt, download, why_unreachable
from pipeline.data.published import FASHION_MNIST, MNIST


class _NotFound(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_any_http_status_is_an_answer():
    with HTTPServer(("127.0.0.1", 0), _NotFound) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert why_unreachable(f"http://127.0.0.1:{server.server_port}/", 60.0) is None
        thread.join()


def test_a_closed_port_is_no_answer():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets the port
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert why_unreachable(address, 5.0) == "Connection refused"


def test_silence_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reason = why_unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.05)
    assert reason in ("no answer within 0.05 s", "timed out")


def test_what_is_no_http_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 ready\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        assert why_unreachable(f"http://127.0.0.1:{server.getsockname()[1]}/", 5.0) is not None
        thread.join()


def test_keras_still_downloads_from_there():
    package = find_spec("keras")
    assert package is not None and package.origin is not None
    for name in ("fashion_mnist", "mnist"):
        source = Path(package.origin).parent / "src" / "datasets" / f"{name}.py"
        assert ADDRESS in source.read_text()


def test_complete_files_move_into_the_cache(tmp_path, write_idx):
    write_idx(tmp_path / "new" / "fashion-mnist", compressed=True)
    cache = tmp_path / "cache"
    write_idx(cache / "fashion-mnist", compressed=True)
    (cache / "fashion-mnist" / "train-images-idx3-ubyte.gz").unlink()
    _adopt(FASHION_MNIST, tmp_path / "new", cache)
    found = FASHION_MNIST.find(cache)
    assert found is not None
    assert len(found.learning()) == 30
    assert list((tmp_path / "new" / "fashion-mnist").iterdir()) == []


def test_an_archive_moves_into_the_cache(tmp_path, images):
    (x, y), (tx, ty) = images(30), images(6)
    for folder in ("new", "cache"):
        (tmp_path / folder).mkdir()
    np.savez(tmp_path / "new" / "mnist.npz", x_train=x, y_train=y, x_test=tx, y_test=ty)
    _adopt(MNIST, tmp_path / "new", tmp_path / "cache")
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["mnist.npz"]


def test_incomplete_or_damaged_files_never_reach_the_cache(tmp_path, write_idx):
    new, cache = tmp_path / "new", tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(DataError, match="not complete"):
        _adopt(FASHION_MNIST, new, cache)
    write_idx(new / "fashion-mnist", compressed=True)
    last = new / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    last.write_bytes(last.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated"):
        _adopt(FASHION_MNIST, new, cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_reason(tmp_path):
    (tmp_path / "keras").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="keras/datasets cannot be written: Not a directory"):
        download(MNIST, tmp_path / "keras" / "datasets")


def test_an_address_that_cannot_be_asked_for_is_no_answer():
    assert "label" in (why_unreachable("http://some..where/", 5.0) or "")
