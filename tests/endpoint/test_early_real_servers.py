"""
Early answers of real servers, each as it is installed (issue 14, A1).
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from early_server import MB
from edits_server import asked, endpoint, upload_of
from retouchd.endpoint.client import EditsClient

NODE = """
require("http").createServer((request, response) => {
  response.writeHead(STATUS, {"content-type": "application/json"});
  response.end('{"error": {"message": "no"}}');
}).listen(PORT, "127.0.0.1");
"""
NODE_DESTROYS = """
require("http").createServer((request, response) => {
  request.once("data", () => {
    response.writeHead(STATUS, {"content-type": "application/json", "connection": "close"});
    response.end('{"error": {"message": "no"}}', () => request.destroy());
  });
}).listen(PORT, "127.0.0.1");
"""
ASGI = """
import uvicorn

async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"error": {"message": "no"}}'})

uvicorn.run(app, host="127.0.0.1", port=PORT, lifespan="off", log_level="error")
"""
PYTHON = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.send_response(STATUS)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""
NGINX = """
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/log crit;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  server { listen 127.0.0.1:PORT; client_max_body_size 1m; location / { DIRECTIVE } }
}
"""
HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend all
  bind 127.0.0.1:PORT
  RULE
"""


def script(name: str, program: str, text: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, status: int) -> list[str]:
        path = folder / name
        path.write_text(text.replace("PORT", str(port)).replace("STATUS", str(status)))
        return [program, os.fspath(path)]

    return command


def nginx(directive: str) -> Callable[[Path, int, int], list[str]]:
    def command(folder: Path, port: int, status: int) -> list[str]:
        path = folder / "nginx.conf"
        text = NGINX.replace("DIRECTIVE", directive.replace("STATUS", str(status)))
        path.write_text(text.replace("FOLDER", os.fspath(folder)).replace("PORT", str(port)))
        return ["nginx", "-c", os.fspath(path), "-p", os.fspath(folder)]

    return command


def haproxy(folder: Path, port: int, status: int) -> list[str]:
    path = folder / "haproxy.cfg"
    rule = f"http-request deny deny_status {status}"
    path.write_text(HAPROXY.replace("RULE", rule).replace("PORT", str(port)))
    return ["haproxy", "-f", os.fspath(path), "-db"]


SERVERS = {
    "node": (script("server.js", "node", NODE), 401),
    "node, destroyed": (script("server.js", "node", NODE_DESTROYS), 402),
    "uvicorn": (script("app.py", sys.executable, ASGI), 403),
    "http.server": (script("app.py", sys.executable, PYTHON), 429),
    "nginx, too large": (nginx("return 200;"), 413),
    "nginx, returned": (nginx("client_max_body_size 0; return STATUS;"), 401),
    "haproxy": (haproxy, 429),
}


@contextlib.contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
    try:
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "said").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(90)


@pytest.mark.parametrize("megabytes", [3, 20])
@pytest.mark.parametrize("name", SERVERS)
async def test_an_early_refusal_is_heard(name: str, megabytes: int, tmp_path: Path) -> None:
    """
    Five times out of five, within seconds.
    """
    photo = tmp_path / "photo.png"
    with photo.open("wb") as file:
        file.truncate(megabytes * MB)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    make, status = SERVERS[name]
    with running(make(tmp_path, port, status), port, tmp_path):
        base_url = f"http://127.0.0.1:{port}/v1"
        async with EditsClient(endpoint(base_url)) as client:
            heads = [(await asked(client, upload_of(photo)))[0].status for _ in range(5)]

    assert heads == [status] * 5
