"""A container's health check: its exit code says whether the process in it is alive, or whether others can work."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.local.ports import free_port
from shared.healthcheck import main

STATUS = {"/healthz": 200, "/readyz": 503}


class Process(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(STATUS[self.path])
        self.end_headers()
        self.wfile.write(b'{"obstacles": {"kafka": "is away"}}')

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Process)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_process_is_asked_whether_it_is_alive(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEARBACK_HTTP_PORT", str(port))
    assert main([]) == 0
    assert capsys.readouterr().err == ""
    nobody = free_port()
    monkeypatch.setenv("HEARBACK_HTTP_PORT", str(nobody))
    assert main([]) == 1
    assert f"127.0.0.1:{nobody}/healthz cannot be read" in capsys.readouterr().err


def test_others_are_asked_whether_they_can_work(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = free_port()
    assert main(["--ready", f"127.0.0.1:{port}", f"127.0.0.1:{nobody}"]) == 1
    told = capsys.readouterr().err
    assert "kafka" in told and "cannot be read" in told
    assert main(["--ready"]) == 0
