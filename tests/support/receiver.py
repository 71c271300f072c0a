"""
An address on this machine that keeps what is posted to it.
"""

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Receiver:
    """
    An address that keeps what is posted to it; `statuses` are its answers in turn, then 204.
    """

    def __init__(self, statuses: list[int]) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.posts.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(statuses.pop(0) if statuses else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/told?shop=1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    found = Receiver(list(statuses))
    try:
        yield found
    finally:
        found.close()
