"""
What `status` tells monitors: an exit code and a sentence for every way in which a daemon stands.
"""

import base64
import datetime as dt
import json
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from builders import a_job
from early_server import read_all_then_close, serving_early
from process import DEADLINE_SECONDS, RETOUCHD, Station
from retouchd.config import readable
from retouchd.errors import JobCode
from retouchd.spool.fingerprint import already_done, gist, own_result, own_result_in_work
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status.alarms import OPERATORS, OWNERS, alarm, is_for_the_operator
from retouchd.status.status_file import StatusFiles
from sample_pictures import encoded


def look(station: Station) -> tuple[int, dict[str, Any]]:
    """
    Return the exit code of `status --json` and what it says.
    """
    code, body, _ = station.status()
    return code, body


def table(station: Station) -> str:
    """
    Return what `status` says to people, without line breaks.
    """
    _, running = station.call("status", COLUMNS="300")
    return " ".join(running.out.split())


BROKEN = {
    "no TOML": b"[edit\nmodel = 1\n",
    "a key twice": b'[edit]\nprompt = "a"\nprompt = "b"\n',
    "unknown key": b"[edit]\nn_pictures = 2\n",
    "wrong kind": b'[budget]\nusd_per_day = "much"\n',
    "Latin-1": '[edit]\nprompt = "grün"\n'.encode("latin-1"),
    "refused parameter": b"[edit]\nn = 99\n",
}


def test_a_broken_configuration_hides_no_daemon(station: Station) -> None:
    """
    With each fault of it the daemon is found, asked for a reload or not: running, 1, and the fault is named.
    """
    daemon = station.start("run").ready()
    sound = station.config.read_bytes()

    for fault, text in BROKEN.items():
        station.config.write_bytes(sound + text)
        code, body = look(station)
        assert (code, body["state"]) == (1, "running"), fault
        (said,) = body["attention"]
        assert "cannot be used; the old one stays in force" in said, fault
        assert ("config.toml" in said) or ("[edit]: " in said), fault

    station.config.write_bytes(sound + BROKEN["no TOML"])
    daemon.tell(signal.SIGHUP)
    daemon.until(lambda: daemon.events("configuration.refused"))
    code, body = look(station)
    assert (code, body["state"], body["pid"]) == (1, "running", daemon.process.pid)
    assert len(body["attention"]) == 1, "it is said once"

    station.config.write_bytes(sound)
    daemon.until(lambda: look(station)[1]["attention"])
    code, body = look(station)
    (said,) = body["attention"]
    assert code == 1
    assert "At its last reload" in said
    assert "reload again" in said
    station.config.write_bytes(sound + BROKEN["no TOML"])

    assert daemon.end(signal.SIGTERM) == 0
    code, body = look(station)
    assert (code, body["state"]) == (78, "stopped")
    fault, stopped = body["attention"]
    assert "is not valid TOML" in fault
    assert "retouchd was stopped" in stopped
    assert "Once the configuration is corrected, start it with `retouchd run`" in stopped
    assert "Nothing waits for it." in stopped


def test_where_nothing_can_be_looked_at_a_monitor_hears_why(station: Station) -> None:
    """
    No file, and a history that is none: a document all the same, and the sentence for people.
    """
    (station.folders.work / "history.jsonl").mkdir()
    code, running = station.call("status", "--json")
    body = json.loads(running.out)
    assert (code, body["state"], body["today"]) == (75, "unknown", None)
    assert "history.jsonl cannot be used now" in body["attention"][0]
    assert body["attention"][0] in running.err

    station.config.unlink()
    code, running = station.call("status", "--json")
    body = json.loads(running.out)
    assert (code, body["state"]) == (78, "unknown")
    assert "is not there. Run `retouchd init`" in body["attention"][0]
    assert running.err.count("is not there") == 1


def test_what_is_left_of_a_broken_file(tmp_path: Path) -> None:
    """
    Its folders, wherever the fault is: before, behind, or among them.
    """
    path = tmp_path / "config.toml"
    for text in (
        '[folders]\nroot = "a"\n[edit\nn = 1\n',
        '[edit\nn = 1\n[folders]\nroot = "a"\n',
        '[folders]\nroot = "a"\noutbox = /srv/no quotes\n',
        '[folders]\noutbox = \nroot = "a" # here\n',
        'folders.root = "a"\nthis is no TOML\n',
        '  [folders]\r\n  root = "a"\r\n[edit]\r\nprompt = "never ended\r\n',
        '\ufeff[folders]\nroot = "a"\n}\n',
    ):
        path.write_bytes(text.encode())
        config, faults = readable(path)
        assert config is not None
        assert config.folders.root == Path("a"), text
        assert len(faults) == 1, text


def test_a_daemon_that_does_not_run_says_why_and_what_waits(station: Station) -> None:
    """
    Never started, stopped, and ended by something else are three matters.
    """
    station.configure(intake={"settle_seconds": 60})
    station.drop("cat.png")
    station.drop("dog.png", None)
    (station.folders.inbox / "note.doc").touch()

    code, body = look(station)
    assert (code, body["state"], body["since"]) == (3, "stopped", None)
    (said,) = body["attention"]
    assert said == (
        "retouchd has not been started yet. 2 pictures in the inbox wait for it. "
        "Start it with `retouchd run`, or as a service (systemctl start retouchd)."
    )

    daemon = station.start("run").ready()
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=2)
    assert daemon.end(signal.SIGTERM) == 0
    code, body = look(station)
    assert code == 3
    assert body["attention"][0].startswith("retouchd was stopped at ")
    assert dt.datetime.fromisoformat(body["since"]) >= before
    assert "retouchd not running since " in table(station)

    daemon = station.start("run").ready()
    daemon.until((station.folders.work / "status.json").exists)
    daemon.kill()
    code, body = look(station)
    assert code == 3
    assert "ended without being stopped" in body["attention"][0]
    assert "2 pictures in the inbox wait" in body["attention"][0]


def test_a_pause_is_as_old_as_it_is(station: Station) -> None:
    """
    Heading and document tell since when nothing is sent: not since the last probe, nor since a restart.
    """
    station.configure(endpoint={"base_url": station.endpoint("quota").url})
    daemon = station.start("run").ready()
    station.drop("cat.png")
    place = station.folders.work / "pause.json"
    daemon.until(place.exists)
    assert daemon.end(signal.SIGTERM) == 0
    paused = json.loads(place.read_bytes())
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)
    place.write_text(json.dumps({**paused, "since": since.isoformat()}))

    daemon = station.start("run").ready()
    daemon.until(lambda: daemon.events("job.returned"))  # The probe of a restart.
    daemon.until(lambda: look(station)[1]["paused"])
    _, body = look(station)

    told = dt.datetime.fromisoformat(body["paused"]["since"])
    assert abs((told - since).total_seconds()) < 60
    assert body["since"] == body["paused"]["since"]
    local = told.astimezone()
    assert f"retouchd paused since {local:%Y-%m-%d %H:%M}" in table(station) or (
        f"retouchd paused since {local:%H:%M}" in table(station)
    )
    assert daemon.end(signal.SIGTERM) == 0


def test_a_program_that_follows_reads_a_document_a_line(station: Station) -> None:
    """
    Each at once; where its reader goes, it ends by itself, in silence and with the code of the last one.
    """
    command = [RETOUCHD, "status", "--follow", "--json", "--config", os.fspath(station.config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=station.environment
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert json.loads(following.stdout.readline())["waiting"] == []
        station.drop("cat.png", None)
        assert json.loads(following.stdout.readline())["waiting"][0]["name"] == "cat.png"
        station.config.write_bytes(station.config.read_bytes() + BROKEN["no TOML"])
        assert "not valid TOML" in json.loads(following.stdout.readline())["attention"][0]

        following.stdout.close()

        assert following.wait(DEADLINE_SECONDS) == 78
        assert following.stderr.read() == b""


def test_every_code_is_the_persons_or_the_operators() -> None:
    """
    One of the two; what a newer version wrote is worth a look.
    """
    assert OWNERS.isdisjoint(OPERATORS)
    assert OWNERS | OPERATORS.keys() == set(JobCode)
    assert is_for_the_operator("finishing_failed")
    assert not is_for_the_operator("content_policy")
    assert alarm("in_doubt", ["a/cat.png", "dog.png", "emu.png"]).startswith(
        "In error/ since midnight, may have been charged, and no picture came (in_doubt): "
        "a/cat.png and 2 more. Look at "
    )
    assert "(new_code): cat.png. The .error.txt" in alarm("new_code", ["cat.png"])


def test_what_a_provider_refuses_raises_no_alarm(station: Station) -> None:
    """
    It is counted with its code, and whoever dropped it reads why beside it; the daemon is healthy.
    """
    station.configure(endpoint={"base_url": station.endpoint("policy").url})
    daemon = station.start("run").ready()
    station.drop("cat.png")
    station.drop("dog.png", " ")
    daemon.until(lambda: len(daemon.events("job.failed")) == 2)

    code, body = look(station)

    assert (code, body["attention"]) == (0, [])
    assert body["today"]["failed_codes"] == {"content_policy": 1, "prompt_empty": 1}
    assert "0 done, 2 failed (1 " in table(station)
    assert "in error 2 pictures" in table(station)


LINE = {
    "folder": "shoes",
    "outputs": ["shoes/red-1.png", "shoes/red-2.png"],
    "record": "red.job.json",
    "finished_at": "2026-11-23T10:00:00Z",
}


def test_a_duplicates_reason_has_a_gist() -> None:
    """
    What is common to all of them, and what each one is a duplicate of.
    """
    results = "outbox/shoes/red-1.png, outbox/shoes/red-2.png"
    assert gist(already_done(LINE)) == ("edited before", results)
    assert gist(already_done({})) == ("edited before", "no pictures")
    common = "result of an earlier edit"
    assert gist(own_result("a/x. y.png", LINE)) == (common, "outbox/a/x. y.png")
    assert gist(own_result_in_work("review/b.png")) == (common, "review/b.png")
    assert gist("waits for its prompt") is None


def test_duplicates_are_one_line(station: Station) -> None:
    """
    With a few of the names, and the results once for each photo; the document has all of them.
    """
    names = [f"{number:02}.png" for number in range(8)]
    for name in names:
        station.drop(name)
    assert station.call("once")[0] == 0
    for name in names:
        station.drop(name)

    daemon = station.start("run").ready()
    daemon.until(lambda: "16 files: edited before" in table(station))
    told = table(station)
    _, body = look(station)

    assert re.search(r" (\d\d)\.png, \1\.txt \(outbox/\1\.png\), \d\d\.png, ", told)
    assert told.count("edited before") == 1
    assert re.search(r", and \d+ more: see `retouchd status --all`", told)
    results = {each["name"]: each["reason"] for each in body["waiting"] if each["name"] in names}
    assert all(f"outbox/{name}, recorded in done/" in results[name] for name in names)
    assert daemon.end(signal.SIGTERM) == 0


def test_a_job_is_named_by_its_file(station: Station) -> None:
    """
    While it is claimed, too, and where its document is damaged; what has claimed nothing is no job yet.
    """
    spool = Spool(work=station.folders.work, inbox=station.folders.inbox)
    spool.prepare()
    spool.open(a_job(id="20261123-120000-00000001"))
    (station.folders.work / "jobs" / "20261123-120000-00000002" / "originals").mkdir(parents=True)
    damaged = station.folders.work / "jobs" / "20261123-120000-00000003"
    (damaged / "originals").mkdir(parents=True)
    (damaged / "job.json").write_bytes(b"{}")
    (damaged / "originals" / "dog.txt").touch()
    (damaged / "originals" / "emu.png").touch()

    _, body = look(station)

    assert [(each["name"], each["state"]) for each in body["in_flight"]] == [
        (a_job().members[0].name, "empty"),
        ("emu.png", "damaged"),
    ]
    assert "2 pictures in work wait for it." in body["attention"][0]


def test_what_came_other_than_asked_for_is_told(station: Station) -> None:
    """
    By `once` at its end, and by `status` for the rest of the day.
    """
    picture = base64.b64encode(encoded(Image.new("RGB", (64, 48), "teal"), "JPEG")).decode()
    History(station.folders.work).add(
        {"id": "old", "status": "done", "finished_at": "2020-01-01T00:00:00Z", "warnings": ["old"]}
    )
    body = json.dumps({"created": 1, "data": [{"b64_json": picture}]}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving_early(answer, read_all_then_close) as server:
        station.configure(endpoint={"base_url": server.base_url}, edit={"n": 2})
        station.drop("shoes/red.png")
        code, running = station.call("once")
    _, document = look(station)

    warning = "2 pictures were asked for (n = 2), and 1 came."
    assert code == 0
    assert f"warning: shoes/red.png: {warning}" in running.out
    assert "old" not in running.out
    assert document["today"]["warned"] == 1
    assert f"warnings 1 picture: {warning} shoes/red.png" in table(station)


def test_a_service_that_is_one_of_several_is_named_as_it_is(
    station: Station, tmp_path: Path
) -> None:
    """
    What starts it is what started it before; while systemd waits to start it again, that is said instead.
    """
    station.drop("cat.png")
    daemon = station.start("run").ready()
    daemon.until((station.folders.work / "status.json").exists)
    daemon.kill()
    status_files = StatusFiles(station.folders.work)
    found = status_files.read()
    assert found is not None
    status_files.post(replace(found[0], unit="retouchd@shop.service"))

    _, body = look(station)
    assert "(systemctl start retouchd@shop)" in body["attention"][0]

    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text('#!/bin/sh\n[ "$1 $2" = "show retouchd@shop" ] && echo auto-restart\n')
    systemctl.chmod(0o755)
    station.environment["PATH"] = f"{systemctl.parent}{os.pathsep}{os.environ['PATH']}"
    _, body = look(station)
    assert body["attention"][0].endswith("Systemd starts it again by itself in a moment.")
