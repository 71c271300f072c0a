"""
Runs a hook's command: no shell, an environment without keys, a time limit, and the end of what it said.
"""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import HookRules, NotTold, filled
from retouchd.request.headers import KEY_WORDS

PREFIX = "RETOUCHD_HOOK_"
"""What the variables of a command begin with."""

_OWN = re.compile(
    r"RETOUCHD_(?!CONFIG$)|OPENAI_|NOTIFY_SOCKET$|WATCHDOG_|LISTEN_|JOURNAL_STREAM$|CREDENTIALS_"
)
_SECRET = re.compile(f"{KEY_WORDS}|credential", re.IGNORECASE)
_KILL_SECONDS = 2.0
_MOST_LINES, _MOST_SIGNS, _MOST_BYTES = 5, 300, 4096
_BLOCK = 1 << 16
_LAST_WORDS_SECONDS = 0.2
_LOOK_MILLISECONDS = 50


def command_for(event: QueuedEvent, rules: HookRules, environment: Mapping[str, str]) -> "Command":
    """
    Return the command that tells of an event, with its paths in the words and in variables of its own.
    """
    outputs, body = event.body.get("outputs") or [], event.body
    output = outputs[0] if outputs else ""
    original, record = str(body.get("original", "")), str(body.get("record_path", ""))
    own = {
        "EVENT": event.about.value,
        "ID": event.id,
        "OUTPUT": output,
        "OUTPUTS": json.dumps(outputs),
        "ORIGINAL": original,
        "RECORD": record,
        "RUN": str(event.runs),
        "REASON": str(body.get("reason", "")),
    }
    words = rules.commands[event.about]
    return Command(
        filled(words, output=output, original=original, record=record),
        folder=Path(rules.root),
        environment=environment_of(environment, own),
    )


def environment_of(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment of a command: ours without keys and what is meant for this process alone, and `own`
    by their names without `RETOUCHD_HOOK_`.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not _OWN.match(name) and not _SECRET.search(name)
    }
    return kept | {f"{PREFIX}{name}": value.replace("\0", "") for name, value in own.items()}


class Command:
    """
    One run of a command, in a process group of its own. `run` blocks, `end` may be called from any thread.
    """

    def __init__(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._words = words
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ended = False
        self._lock = threading.Lock()

    def run(self, seconds: float) -> None:
        """
        Run it to its end. Raises NotTold where it cannot be started, takes longer, or ends with another
        code than 0.
        """
        deadline = time.monotonic() + seconds
        process = self._started()
        assert process.stdout is not None, "its output is a pipe"
        ear = _Ear(process.stdout)
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.end()
            raise NotTold(f"it did not end within {seconds:g} s{ear.closed()}") from None
        said = ear.closed()
        if self._is_ended:
            raise NotTold("it was ended with retouchd")
        if code:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise NotTold(f"it {how}{said}")

    def end(self) -> None:
        """
        End it and all that it has started: asked first, two seconds later by force.
        """
        with self._lock:
            self._is_ended = True
            process = self._process
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(OSError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_SECONDS)
                if number is signal.SIGTERM:
                    # What it has started may not have ended with it.
                    with contextlib.suppress(OSError):
                        os.killpg(process.pid, signal.SIGKILL)
                return

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_ended:
                raise NotTold("it was ended with retouchd")
            try:
                self._process = subprocess.Popen(  # noqa: S603 - what the configuration names, without a shell
                    self._words,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                raise NotTold(f"{self._words[0]} cannot be started: {why}") from error
        return self._process


class _Ear:
    """
    A thread that takes in what a command says, so that it never waits for a reader, and keeps the end of it.
    """

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._said = b""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def closed(self) -> str:
        """
        Listen no more; return the last words, behind a colon if there are any.

        What the command has left running may hold its output open: nobody waits for that, nor keeps a thread
        and a file for it.
        """
        self._thread.join(_LAST_WORDS_SECONDS)
        self._is_over.set()
        self._thread.join()
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").splitlines()]
        text = " / ".join([line for line in lines if line][-_MOST_LINES:])
        return f": {text[-_MOST_SIGNS:]}" if text else ""

    def _listen(self) -> None:
        with self._output as output:
            poll = select.poll()
            poll.register(output, select.POLLIN)
            while not self._is_over.is_set():
                if poll.poll(_LOOK_MILLISECONDS):
                    block = os.read(output.fileno(), _BLOCK)
                    if not block:
                        return
                    self._said = (self._said + block)[-_MOST_BYTES:]
