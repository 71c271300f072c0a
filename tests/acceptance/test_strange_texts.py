"""
Whatever an endpoint says and files are called: every line of the log is there, and nothing raw is written.
"""

import json
import sys
import unicodedata

import pytest

from process import Station

NAME = "c\x7fa\x9bt\u202e\u2066\u200f\u2028\U000e0041"


def raw_signs(text: str) -> set[str]:
    return {
        sign
        for sign in text
        if sign != "\n" and not sign.isprintable() and unicodedata.category(sign) != "Zs"
    }


def written(station: Station) -> str:
    """
    Return every text that the daemon has left.
    """
    suffixes = (".job.json", ".error.txt", ".jsonl", "status.json", "waiting.json", "pause.json")
    return "".join(
        path.read_text("utf-8")
        for path in sorted(station.root.rglob("*"))
        if path.name.endswith(suffixes)
    )


@pytest.mark.parametrize("prompt", ["make it blue", "make it \u202eblue\x9b"])
def test_a_name_that_is_not_plain_is_escaped_everywhere(station: Station, prompt: str) -> None:
    """
    In the record, the history, the log, `status` and `status --json`; the prompt in the record, too.
    """
    station.drop(f"{NAME}.png", prompt=prompt)
    (station.folders.inbox / f"{NAME}.doc").write_text("mine")

    code, running = station.call("once")
    _, told = station.call("status", "--json")
    _, seen = station.call("status")

    assert code == 0
    assert running.events("job.done")
    assert raw_signs(written(station) + running.out + running.err + told.out + seen.out) == set()
    (record,) = station.folders.done.glob("*.job.json")
    body = json.loads(record.read_bytes())
    assert body["name"] == NAME
    assert body["request"]["prompt"] == prompt
    assert json.loads(told.out)["today"]["done"] == 1


HALF = r'"a\ud83d": "\ud83d", "b": ["\udc80\u009b\u202e"], "\u2066": 1'
ANSWERS = {
    "half an emoji in usage": (
        200,
        f'{{"data": [{{"b64_json": "PICTURE"}}], "usage": {{{HALF}}}}}',
    ),
    "half an emoji in an error": (400, f'{{"error": {{"message": "no \\ud83d\\u009b", {HALF}}}}}'),
    "half an emoji as a code": (500, r'{"error": {"message": "no", "code": "a\ud83d\u202e"}}'),
    "half an emoji for a picture": (200, f'{{"data": [{{{HALF}}}]}}'),
}


@pytest.mark.parametrize(("status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
def test_no_text_of_an_endpoint_loses_a_line(station: Station, status: int, body: str) -> None:
    """
    Each change of state has its line, as JSON, and each record can be read.
    """
    endpoint = station.run(sys.executable, "-c", _SAYING, str(status), body)
    endpoint.until(lambda: endpoint.out.endswith("\n"))
    station.configure(endpoint={"base_url": endpoint.out.strip(), "max_in_doubt": 0})
    station.drop("cat.png")

    _, running = station.call("once")

    lines = [line for line in running.err.split("\n") if line]
    assert all(line.startswith("{") for line in lines), running.err
    ends = running.events("job.done", "job.failed")
    assert len(ends) == 1
    assert raw_signs(written(station) + running.out + running.err) == set()
    (record,) = (
        *station.folders.done.glob("*.job.json"),
        *station.folders.error.glob("*.job.json"),
    )
    record.read_text("utf-8").encode()
    json.loads(record.read_bytes())


_SAYING = """
import base64, http.server, io, sys
from PIL import Image
status, body = int(sys.argv[1]), sys.argv[2]
picture = io.BytesIO()
Image.new("RGB", (8, 8)).save(picture, "PNG")
body = body.replace("PICTURE", base64.b64encode(picture.getvalue()).decode()).encode()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
server.serve_forever()
"""
