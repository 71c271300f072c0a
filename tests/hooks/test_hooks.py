"""
Hooks from outside: what a command is given and what it is not, the signed post, what comes again after a kill.
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from process import Running, Station
from receiver import receiver

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, ok").decode()


def script(station: Station, body: str, name: str = "hook") -> str:
    """
    Write a shell script that a hook can name; return its path.
    """
    path = station.home / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return os.fspath(path)


def queued(station: Station) -> list[str]:
    folder = station.folders.work / "events"
    return sorted(path.name for path in folder.glob("*-*.json"))


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def hooked(station: Station, **hooks: Any) -> None:
    station.configure(hooks=hooks, logging={"level": "debug", "format": "json"})


def test_a_command_is_told_of_what_is_done(station: Station) -> None:
    """
    With paths in its words and variables, in the root, without a key, once for each job.
    """
    told = station.home / "told"
    hook = script(
        station,
        f'{{ pwd; for each in "$@"; do echo "$each"; done; env; }} > {told}.tmp; mv {told}.tmp {told}',
    )
    hooked(station, done=[hook, "{output}", "as={original}", "{record}", "$(id) {print}"])
    station.drop("shoes/red one.png")
    running = station.start(
        "run", RETOUCHD_ENDPOINT__TIMEOUT_SECONDS="77", AWS_SECRET_ACCESS_KEY="x", HARMLESS="y"
    )
    running.until(lambda: running.events("hook.done"))

    where, output, original, record, plain, *variables = lines(told)
    environment = dict(each.partition("=")[::2] for each in variables)
    assert Path(where).samefile(station.root)
    assert output == str(station.folders.outbox / "shoes/red one.png")
    assert original == f"as={station.folders.done}/shoes/red one.png"
    assert json.loads(Path(record).read_bytes())["status"] == "done"
    assert plain == "$(id) {print}"
    own = {k: v for k, v in environment.items() if k.startswith("RETOUCHD_")}
    assert own == {
        "RETOUCHD_HOOK_EVENT": "done",
        "RETOUCHD_HOOK_ID": station.record("done/shoes/red one.job.json")["id"],
        "RETOUCHD_HOOK_OUTPUT": output,
        "RETOUCHD_HOOK_OUTPUTS": json.dumps([output]),
        "RETOUCHD_HOOK_ORIGINAL": original.removeprefix("as="),
        "RETOUCHD_HOOK_RECORD": record,
        "RETOUCHD_HOOK_RUN": "1",
        "RETOUCHD_HOOK_REASON": "",
    }
    assert environment["HARMLESS"] == "y"
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert queued(station) == []
    assert running.end(signal.SIGTERM) == 0


def test_once_tells_of_all_before_it_ends(station: Station) -> None:
    """
    What is done and what went to error/, each by the command for it; variables of a hook are no configuration.
    """
    told = station.home / "told"
    hook = script(
        station, f'echo "$RETOUCHD_HOOK_EVENT $(basename "$RETOUCHD_HOOK_ORIGINAL")" >> {told}'
    )
    hooked(station, done=[hook], error=[hook])
    for name in ("ant.png", "bee.png"):
        station.drop(name)
    station.drop("bad.png", "  ")

    code, _ = station.call("once", RETOUCHD_HOOK_EVENT="done", RETOUCHD_HOOK_ID="1")

    assert code == 1
    assert sorted(lines(told)) == ["done ant.png", "done bee.png", "error bad.png"]
    assert queued(station) == []


def test_a_kill_in_the_midst_of_a_command_runs_it_again(station: Station) -> None:
    """
    It is run a second time, and is told that it is.
    """
    told = station.home / "told"
    hook = script(
        station, f'echo "$RETOUCHD_HOOK_RUN" >> {told}; [ $RETOUCHD_HOOK_RUN = 2 ] || exec sleep 30'
    )
    hooked(station, done=[hook])
    station.drop("cat.png")
    running = station.start("run")
    running.until(lambda: lines(told) == ["1"])

    running.kill()

    again = station.start("run")
    again.until(lambda: again.events("hook.done"))
    assert lines(told) == ["1", "2"]
    assert station.tree("outbox") == ["cat.png"]
    assert queued(station) == []
    assert again.end(signal.SIGTERM) == 0


def test_a_command_that_fails_or_hangs_holds_no_photo_up(station: Station) -> None:
    """
    It is ended with all that it has started, told of with its last words, and kept for the next try.
    """
    child = station.home / "child"
    hook = script(
        station,
        f'case "$1" in *ant*) echo no printer >&2; exit 3;; *) sleep 60 & echo $! > {child}; wait;; esac',
    )
    hooked(station, done=[hook, "{original}"], timeout_seconds=0.5)
    for name in ("ant.png", "bee.png"):
        station.drop(name)
    running = station.start("run")
    running.until(lambda: len(running.events("hook.failed")) == 2)

    reasons = sorted(each["reason"] for each in running.events("hook.failed"))
    assert reasons == ["it did not end within 0.5 s", "it ended with exit code 3: no printer"]
    running.until(lambda: not Path(f"/proc/{child.read_text().strip()}").exists())
    assert station.tree("outbox") == ["ant.png", "bee.png"]
    assert len(queued(station)) == 2
    _, status, _ = station.status()
    assert status["hooks"]["waiting"] == 2
    assert {each["reason"] for each in status["hooks"]["failing"]} == set(reasons)
    assert running.end(signal.SIGTERM) == 0


def test_what_a_command_leaves_running_costs_nothing(station: Station) -> None:
    """
    Nor is its output listened to: no thread and no pipe of ours is left for each job.
    """
    pids = station.home / "pids"
    hooked(station, done=[script(station, f"sleep 600 & echo $! >> {pids}")])
    running = station.start("run").ready()

    def pipes() -> int:
        links = Path(f"/proc/{running.process.pid}/fd").iterdir()
        return sum(os.readlink(each).startswith("pipe:") for each in links)

    before = pipes()
    for number in range(4):
        station.drop(f"cat{number}.png")
    running.until(lambda: len(running.events("hook.done")) == 4)
    running.until(lambda: pipes() == before)

    assert all(Path(f"/proc/{pid}").exists() for pid in lines(pids))
    assert running.end(signal.SIGTERM) == 0
    for pid in lines(pids):
        os.kill(int(pid), signal.SIGKILL)


ENDINGS = {
    "exec /nowhere": "ended with exit code",
    "kill -9 $$": "was killed by signal 9",
    "yes | head -c 30000000; echo the end; exit 3": "y / the end",
    "trap '' TERM; sleep 600 & wait": "did not end within 5 s",
    "printf '\\377\\033[31m\\n'; exit 1": "exit code 1",
}


def test_each_end_of_a_command_is_told_in_words(station: Station) -> None:
    """
    By a signal, after megabytes, never at all, with bytes that are no text; and the jobs are done.
    """
    for number, body in enumerate([*ENDINGS, None]):
        name = f"cat{number}.png"
        path = script(station, body, f"hook{number}") if body else "/nowhere/hook"
        hooked(station, done=[path], timeout_seconds=5)
        station.drop(name)
        code, running = station.call("once")
        failed = running.events("hook.failed")[-1]
        words = ENDINGS[body] if body else "/nowhere/hook cannot be started: No such file"
        assert code == 0
        assert words in failed["reason"], (body, failed)
        assert name in station.tree("done")
        for left in (station.folders.work / "events").glob("*-command.json"):
            left.unlink()


def test_a_post_is_signed_and_comes_again_until_it_is_taken(station: Station) -> None:
    """
    As Standard Webhooks say; a failure is tried again at once after SIGHUP, under the same id.
    """
    with receiver(503) as told:
        hooked(station, url=told.url, secret=SECRET)
        station.drop("cat.png")
        running = station.start("run")
        running.until(lambda: running.events("hook.failed"))
        running.tell(signal.SIGHUP)
        running.until(lambda: running.events("hook.done"))

        record = station.record("done/cat.job.json")
        assert [json.loads(body) for _, body in told.posts] == [
            {k: v for k, v in record.items() if k != "outbox"}
        ] * 2
        for headers, body in told.posts:
            assert headers["webhook-id"] == record["id"]
            assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
            signed = f"{record['id']}.{headers['webhook-timestamp']}.".encode() + body
            key = base64.b64decode(SECRET.removeprefix("whsec_"))
            expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{expected}"
            assert headers["retouchd-event"] == "done"
        assert running.events("hook.failed")[0]["reason"] == "it answered HTTP 503"
        assert running.end(signal.SIGTERM) == 0


def test_pauses_are_told_of_once(station: Station) -> None:
    """
    Not again by a restart in the midst of one; and their end.
    """
    told = station.home / "told"
    hook = script(station, f'echo "$RETOUCHD_HOOK_EVENT $RETOUCHD_HOOK_REASON" >> {told}')
    endpoint = station.endpoint("quota:times=2")
    station.configure(
        endpoint={"base_url": endpoint.url},
        hooks={"paused": [hook], "resumed": [hook]},
        logging={"level": "debug", "format": "json"},
    )
    station.drop("cat.png")
    first = station.start("run")
    first.until(lambda: first.events("hook.done"))
    first.until((station.folders.work / "pause.json").exists)
    first.until((station.folders.work / "events/told.json").exists)
    first.kill()

    second = station.start("run")
    second.until(lambda: len(endpoint.requests) == 2)
    second.until(lambda: station.tree("inbox"))
    second.tell(signal.SIGHUP)
    second.until(lambda: second.events("hook.done"))

    paused, resumed = lines(told)
    assert paused.startswith("paused The account or the key has nothing left to spend")
    assert resumed == "resumed "
    assert second.end(signal.SIGTERM) == 0


def ends_within(running: Running, seconds: float, number: signal.Signals) -> None:
    began = time.monotonic()
    running.end(number)
    assert time.monotonic() - began < seconds


def test_nobody_has_to_wait_for_a_command_at_the_end(station: Station) -> None:
    """
    A stop lets it finish; a second signal ends it, and the next start runs it again.
    """
    told = station.home / "told"
    hook = script(station, f"echo begun >> {told}; exec sleep 30")
    hooked(station, done=[hook])
    station.drop("cat.png")
    running = station.start("run")
    running.until(lambda: lines(told))

    running.tell(signal.SIGTERM)
    running.until(lambda: running.events("daemon.stopped"))
    assert running.process.poll() is None
    ends_within(running, 20, signal.SIGTERM)

    assert len(queued(station)) == 1
