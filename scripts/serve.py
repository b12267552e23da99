"""`make serve`: show results/report.html in a browser on this machine. Serves one folder on 127.0.0.1, read-only."""

from __future__ import annotations

import argparse
import signal
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

HOST, PAGE = "127.0.0.1", "report.html"
# The pages hold their scripts, styles and pictures themselves; nothing may come from elsewhere.
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'unsafe-inline'", "style-src 'unsafe-inline'"),
        *("img-src 'self' data: blob:", "font-src data:", "connect-src 'self' data: blob:", "worker-src blob:"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)


class Handler(SimpleHTTPRequestHandler):
    """Sends the files of a folder, and nothing that lies outside it, by way of `..` or of a link."""

    server_version, sys_version = "kvbench", ""

    def send_head(self) -> IO[bytes] | None:
        """The opened file, or None after an error or the way to the report."""
        if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "asked under a name that is not this machine's own")
            return None
        if urlsplit(self.path).path == "/":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/{PAGE}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if not self._file().is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """The real path of the file that is asked for, or of the folder itself if it has no such file."""
        return str(self._file())

    def _file(self) -> Path:
        root = Path(self.directory).resolve()
        try:
            asked = (root / unquote(urlsplit(self.path).path, errors="strict").lstrip("/")).resolve()
            return asked if asked.is_relative_to(root) and asked.is_file() else root
        except (ValueError, OSError, RuntimeError):  # a null byte, a name that is too long, a circle of links
            return root

    def end_headers(self) -> None:
        """Every answer has these headers."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal keeps the address."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of `folder`; port 0 takes a free one."""
    return ThreadingHTTPServer((HOST, port), partial(Handler, directory=str(folder)))


def main() -> None:
    """Print the address and serve until Ctrl-C; one line and exit code 1 where that is not possible."""
    parser = argparse.ArgumentParser(description="Show the report in a browser.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("results"), help="results folder")
    parser.add_argument("--port", default="", help="default: a free one")
    options = parser.parse_args()
    if not (options.folder / PAGE).is_file():
        sys.exit(f"make serve: {options.folder / PAGE}: no such file; call make run first")
    if options.port and not (options.port.isascii() and options.port.isdigit() and int(options.port) < 2**16):
        sys.exit(f"make serve: PORT={options.port}: not a port; give a number from 1 to 65535, or none for a free one")
    try:
        server = make_server(options.folder, int(options.port or 0))
    except OSError as error:
        sys.exit(f"make serve: PORT={options.port}: {error.strerror}; give another one, or none for a free one")
    with server:
        try:
            print(f"http://{HOST}:{server.server_port}/{PAGE}", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # make may send it once more


if __name__ == "__main__":
    main()
