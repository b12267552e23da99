"""`make serve` shows results/ and nothing else, on this machine alone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from builders.places import SCRIPTS

SERVE = SCRIPTS / "serve.py"
SECRET = b"not for others"
spec = spec_from_file_location("serve", SERVE)
serve = module_from_spec(spec)
spec.loader.exec_module(serve)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder beside a file and a folder that are not to be seen, with links to them."""
    folder = tmp_path / "results"
    (folder / "tables").mkdir(parents=True)
    (folder / "report.html").write_text("<p>the report")
    (folder / "tables/ratios 1.csv").write_text("a,b\n")
    (tmp_path / "results-2").mkdir()
    for secret in (tmp_path / "secret.txt", tmp_path / "results-2/secret.txt"):
        secret.write_bytes(SECRET)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "out").symlink_to(tmp_path / "results-2")
    (folder / "inside.html").symlink_to(folder / "report.html")
    (folder / "circle").symlink_to(folder / "circle")
    return folder


@pytest.fixture
def port(results: Path) -> Iterator[int]:
    with serve.make_server(results, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(
    port: int, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body; the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def test_files_are_sent_with_their_headers(port: int) -> None:
    status, headers, body = ask(port, "/report.html?a=1#x")
    assert (status, body) == (200, b"<p>the report")
    assert headers["Content-Type"].startswith("text/html")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]
    assert ask(port, "/tables/ratios%201.csv")[2] == b"a,b\n"
    assert ask(port, "/inside.html")[0] == 200
    assert ask(port, "/report.html", "HEAD")[::2] == (200, b"")


def test_the_root_leads_to_the_report(port: int) -> None:
    status, headers, _ = ask(port, "/")
    assert (status, headers["Location"]) == (302, "/report.html")


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/%2e%2e/secret.txt", "/tables/../../secret.txt", "/..%2fsecret.txt", "//secret.txt"),
        *("/../results-2/secret.txt", "/link.txt", "/out/secret.txt", "/out/", "/circle", "/tables", "/tables/"),
        *("/none.html", "/%00", "/%ff", "/" + "a" * 300, "/report.html/../../secret.txt"),
    ],
)
def test_nothing_outside_and_no_folder_is_sent(port: int, path: str) -> None:
    status, headers, body = ask(port, path)
    assert status == 404
    assert SECRET not in body
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_an_absolute_path_is_not_sent(port: int, tmp_path: Path) -> None:
    status, _, body = ask(port, f"/{tmp_path}/secret.txt")
    assert (status, SECRET in body) == (404, False)


def test_another_name_and_another_method_are_refused(port: int) -> None:
    assert ask(port, "/report.html", host=f"evil.example:{port}")[0] == 403
    assert ask(port, "/report.html", host=f"localhost:{port}")[0] == 200
    assert ask(port, "/report.html", "PUT")[0] == 501


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SERVE), *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_one_line_with_the_address_and_ctrl_c_ends_quietly(results: Path) -> None:
    process = start(results.parent)
    address = process.stdout.readline().strip()
    host, _, page = address.removeprefix("http://").partition("/")
    assert page == "report.html"
    assert host.startswith("127.0.0.1:")
    assert ask(int(host.partition(":")[2]), "/report.html")[0] == 200
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_the_reason_why_not_is_one_line(results: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        calls = [(["--port", number], "in use"), (["--port", "70000"], "not a port"), (["--port", "x"], "not a port")]
        for arguments, words in [*calls, (["none"], "none/report.html: no such file; call make run first")]:
            process = start(results.parent, *arguments)
            out, errors = process.communicate(timeout=30)
            assert (out, process.returncode) == ("", 1)
            [line] = errors.splitlines()
            assert line.startswith("make serve: ")
            assert words in line
