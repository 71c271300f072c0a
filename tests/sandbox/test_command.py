"""
`retouchd sandbox` as a person meets it: its help, its start, its lines, the copies it keeps.
"""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
from PIL import Image

from process import RETOUCHD, open_station
from retouchd.sandbox.faults import FaultKind
from sandbox_requests import decoded, encoded

COLUMNS = 80


def said(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "dumb"}
    return subprocess.run(
        [RETOUCHD, "sandbox", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=30,
        check=False,
    )


def test_the_help_lists_every_fault_in_eighty_columns() -> None:
    """
    Each fault stands at the beginning of a line, and no line is longer than a terminal is wide.
    """
    shown = said("--help")

    assert shown.returncode == 0
    for kind in (*FaultKind, "sequence"):
        assert re.search(rf"^  {kind}\b", shown.stdout, re.MULTILINE), kind
    assert max(map(len, shown.stdout.splitlines())) <= COLUMNS


@pytest.mark.parametrize(
    ("word", "near"),
    [("latancy", "latency"), ("new_api=chanel", "channel"), ("503:tims=2", "times")],
)
def test_a_wrong_fault_is_wrong_usage(word: str, near: str) -> None:
    """
    A fault that cannot be read ends with 2 and the nearest name.
    """
    ended = said("--port", "0", "--fault", word)

    assert ended.returncode == 2
    assert f"did you mean {near}?" in " ".join(ended.stderr.replace("│", " ").split())
    assert "Traceback" not in ended.stderr


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """
    A file in the way of --pictures is said before anything is served.
    """
    (tmp_path / "taken").write_text("")

    ended = said("--port", "0", "--pictures", str(tmp_path / "taken" / "here"))

    assert ended.returncode == 1
    assert "cannot be made" in ended.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """
    The endpoint on a terminal.
    """

    process: subprocess.Popen[bytes]
    master: int
    text: bytearray

    def until(self, part: str) -> str:
        """
        Read the terminal until it has shown a text; return all of it without colours.
        """
        while part not in self.shown():
            self.text.extend(os.read(self.master, 65536))
        return self.shown()

    def shown(self) -> str:
        plain = self.text.decode("utf-8", "replace").replace("\r\n", "\n")
        return re.sub(r"\x1b\[[0-9;]*m", "", plain)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    master, slave = pty.openpty()
    options = ["--port", "0", "--key", "sk-secret", "--pictures", "copies"]
    faults = ["--fault", "503:after=1:times=1", "--fault", "drop:after=2"]
    process = subprocess.Popen(
        [RETOUCHD, "sandbox", *options, *faults],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    yield Watched(process=process, master=master, text=bytearray())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(master)


def test_a_person_sees_each_request_and_no_secret(watched: Watched, tmp_path: Path) -> None:
    """
    Address, folder and faults at the start; then a line for each request; a copy of each picture.
    """
    start = watched.until("The key is")
    found = re.search(r"http://127\.0\.0\.1:\d+/v1", start)
    assert found is not None
    assert f'base_url = "{found[0]}"' in start
    assert str(tmp_path / "copies") in start
    assert "fault: 503:after=1:times=1" in start
    assert "no AI" in start

    image = ("image.png", encoded(), "image/png")
    with openai.OpenAI(base_url=found[0], api_key="sk-secret", max_retries=0) as client:
        answer = client.images.edit(model="gpt-image-2", image=image, prompt="改成蓝色\x1b[31m")
        with pytest.raises(openai.InternalServerError):
            client.images.edit(model="gpt-image-2", image=image, prompt="blue")
        with pytest.raises(openai.APIConnectionError):
            client.images.edit(model="gpt-image-2", image=image, prompt="blue")
        client.models.list()
    httpx.get(f"{found[0]}/models", headers={"Authorization": "Bearer sk-wrong"})

    shown = watched.until("401  GET /v1/models")
    lines = shown.partition("The key is")[2].splitlines()[1:]
    words = ["200  POST", "503  POST", "cut  POST", "200  GET", "401  GET"]
    assert [word for word, line in zip(words, lines, strict=True) if word in line] == words
    assert "改成蓝色\\x1b[31m" in lines[0]
    assert "→ blue" in lines[0]
    assert "fault: drop" in lines[2]
    assert "sk-" not in shown
    (copy,) = (tmp_path / "copies").iterdir()
    assert copy.name in lines[0]
    assert answer.data is not None
    made = decoded(answer.data[0].b64_json)
    assert Image.open(io.BytesIO(copy.read_bytes())).tobytes() == made.tobytes()


def test_the_list_of_faults_costs_no_import_until_it_is_asked_for() -> None:
    """
    The overview of the commands loads neither the web server nor the terminal's tables for it.
    """
    code = "import sys, retouchd.cli.main; print('starlette' in sys.modules, 'PIL' in sys.modules)"

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )

    assert ended.stdout.split() == ["False", "False"]


def test_it_says_how_it_is_to_be_asked(tmp_path: Path) -> None:
    """
    The lines that it prints are a configuration that works.
    """
    with open_station(tmp_path) as station:
        running = station.run(RETOUCHD, "sandbox", "--style", "openrouter", "--port", "0")
        running.until(lambda: "The key is" in running.out)
        lines = re.findall(
            r"^ +(?:below the line )?(\[\w+\](?=:)|\w+ = .*)", running.out, re.MULTILINE
        )
        printed = tomllib.loads("\n".join(lines))
        own = printed["endpoint"]
        station.configure(**printed)
        station.drop("cat.png")

        code, _ = station.call("once")

        assert own["base_url"].endswith("/api/v1")
        assert (own["style"], code) == ("openrouter", 0)
        assert station.tree("outbox") == ["cat.png"]


def test_another_style_is_wrong_usage() -> None:
    """
    2, and those that there are.
    """
    ended = said("--style", "gemini")

    assert ended.returncode == 2
    assert "openrouter" in ended.stderr
