"""Word pairs, and small models to read them with."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import word_pairs


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three relations in ``pairs`` and of two small models; not to be changed."""
    tiny_models = pytest.importorskip("tiny_models", reason="needs torch and transformers")

    folder = tmp_path_factory.mktemp("pairs")
    word_pairs.write_pairs(folder / "pairs")
    texts = [word for relation in word_pairs.PAIRS.values() for pair in relation for word in pair]
    for kind in ("llama", "gpt2"):
        tiny_models.write_model(folder / kind, kind, texts, vocabulary=300)
    return folder


@pytest.fixture
def address(words: Path) -> Iterator[str]:
    """Address of a server of the folder of pairs."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(words))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
