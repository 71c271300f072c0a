"""
`retouchd status`: how things stand, with a daemon and without, for people and for programs.
"""

import datetime as dt
import os
import re
import shutil
import signal
from typing import Any

from builders import a_job
from documents import section
from process import RETOUCHD, Running, Station
from retouchd.job.model import Opened
from retouchd.job.text import dollars
from retouchd.spool.history import History
from retouchd.spool.spool import Spool


def look(station: Station) -> tuple[int, dict[str, Any]]:
    """
    Return the exit code of `status --json` and what it says.
    """
    code, body, said = station.status()
    assert said == ""
    return code, body


def until(station: Station, daemon: Running, key: str) -> tuple[int, dict[str, Any]]:
    """
    Wait until a field says something.
    """
    found: list[tuple[int, dict[str, Any]]] = []

    def says() -> bool:
        found.append(look(station))
        return bool(found[-1][1][key])

    daemon.until(says)
    return found[-1]


def test_every_field_is_told(station: Station) -> None:
    """
    The table has the fields of the document and no other.
    """
    table = section("docs/records.md", "`status --json`")
    named = [
        name
        for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", cell)
    ]

    _, body = look(station)

    assert sorted(named) == sorted(body)


def test_without_a_daemon(station: Station) -> None:
    """
    3, and what waits is told all the same; nothing is changed.
    """
    station.drop("猫.png")
    station.drop("two\nlines.png", prompt=None)
    before = sorted(path.name for path in station.folders.work.iterdir())

    code, body = look(station)
    plain, running = station.call("status")

    assert (code, plain) == (3, 3)
    assert (body["state"], body["pid"], body["paused"]) == ("stopped", None, None)
    waiting = {each["name"]: each["reason"] for each in body["waiting"]}
    assert "waits for its prompt" in waiting["two\nlines.png"]
    assert "not running" in running.out
    assert "two\\nlines.png" in running.out
    assert sorted(path.name for path in station.folders.work.iterdir()) == before


def test_a_healthy_daemon(station: Station) -> None:
    """
    0; what it did today is counted, and what it cost.
    """
    daemon = station.start("run").ready()
    station.drop("猫.png")
    daemon.until(lambda: daemon.events("job.done"))

    # It tells what the run last wrote: before the inbox is watched, too.
    daemon.until(lambda: look(station)[1]["watch"]["mode"] == "inotify")
    code, body = look(station)
    plain, running = station.call("status")

    assert (code, plain) == (0, 0), body["attention"]
    assert body["pid"] == daemon.process.pid
    cost = daemon.events("job.done")[0]["cost_usd"]
    assert cost > 0
    assert body["today"] == {
        "done": 1,
        "failed": 0,
        "failed_codes": {},
        "warned": 0,
        "cost_usd": cost,
        "cost_unknown": 0,
        "in_doubt_usd": 0.0,
        "reserved_usd": 0.0,
        "images": 1,
        "usd_left": None,
        "images_left": None,
    }
    assert body["budget"] == {"usd_per_day": None, "images_per_day": None}
    assert (body["waiting"], body["in_flight"], body["in_error"]) == ([], [], 0)
    assert "running since" in running.out
    assert f"1 done, 0 failed, {dollars(cost)} spent" in running.out
    assert daemon.end(signal.SIGTERM) == 0
    assert look(station)[0] == 3


def test_a_job_on_its_way(station: Station) -> None:
    """
    It is in flight with its name and state while the endpoint takes its time.
    """
    endpoint = station.endpoint("latency=30")
    station.configure(endpoint={"base_url": endpoint.url})
    daemon = station.start("run").ready()
    station.drop("鞋/红.png")
    daemon.until(lambda: daemon.events("request.sent"))

    code, body = look(station)

    assert code == 0
    (job,) = body["in_flight"]
    assert (job["folder"], job["name"], job["attempt"]) == ("鞋", "红.png", 1)
    assert (job["state"], job["reason"]) == ("asking", "sent, no answer yet")


def test_a_pause_needs_attention(station: Station) -> None:
    """
    1, with the cause and when it is asked again.
    """
    endpoint = station.run(RETOUCHD, "sandbox", "--port", "0", "--key", "sk-right")
    endpoint.until(lambda: "The key is" in endpoint.out)
    url = re.search(r"http://\S+/v1", endpoint.out)
    assert url is not None
    station.configure(endpoint={"base_url": url[0], "api_key": "sk-wrong"})
    daemon = station.start("run").ready()
    station.drop("cat.png")

    code, body = until(station, daemon, "paused")
    _, running = station.call("status")

    assert code == 1
    assert (body["state"], body["paused"]["cause"]) == ("paused", "account")
    assert body["paused"]["next_probe"] > body["paused"]["since"]
    assert "paused" in running.out
    assert "API key" in running.out


def test_files_that_a_folder_prompt_holds(station: Station) -> None:
    """
    1; each file says why it waits, in the daemon's words.
    """
    (station.folders.inbox / "_prompt.txt").write_bytes(b"\xff\xfe\x00\xd8bad")
    station.drop("cat.png", prompt=None)
    daemon = station.start("run").ready()

    def reasons() -> dict[str, str]:
        return {each["name"]: each["reason"] for each in look(station)[1]["waiting"]}

    daemon.until(lambda: daemon.events("file.held"))
    daemon.until(lambda: "_prompt.txt" in reasons()["cat.png"])
    code, body = until(station, daemon, "attention")

    assert code == 1
    assert any("cat.png" in sentence for sentence in body["attention"])


def test_failed_today_until_it_is_taken_back(station: Station) -> None:
    """
    What may have cost money for nothing needs attention as long as it lies there; a person's own fault never.
    """
    station.configure(endpoint={"max_in_doubt": 0, "base_url": station.endpoint("drop").url})
    station.drop("cat.png")
    station.drop("dog.png", prompt=" ")
    station.call("once")
    _, before = look(station)
    _, running = station.call("status", COLUMNS="200")
    station.call("retry", "cat")
    _, after = look(station)
    station.configure(endpoint={"base_url": station.endpoint().url})
    station.call("once")
    _, done = look(station)

    assert before["today"]["failed"] == 2
    assert before["today"]["failed_codes"] == {"in_doubt": 1, "prompt_empty": 1}
    (alarm,) = (each for each in before["attention"] if "in_doubt" in each)
    assert "cat.png. Look at the provider's usage page" in alarm
    assert "dog.png" not in "".join(before["attention"])
    assert "2 failed (" in running.out
    assert "1 prompt empty" in running.out
    assert (before["in_error"], after["in_error"]) == (2, 1)
    assert "in_doubt" not in "".join(after["attention"])
    assert (done["today"]["done"], done["today"]["failed_codes"]) == (1, {"prompt_empty": 1})


def test_a_photo_that_was_dragged_back_and_done_failed_no_longer(station: Station) -> None:
    """
    By hand, without the record beside it; another one of its name that still lies in error/ counts.
    """
    for name in ("cat.png", "dog.png"):
        station.drop(name, prompt=" ")
    station.call("once")
    (station.folders.error / "cat.png").rename(station.folders.inbox / "cat.png")
    (station.folders.inbox / "cat.txt").write_text("make it blue")
    station.drop("dog.png")
    station.call("once")

    _, body = look(station)

    assert (body["today"]["done"], body["today"]["failed"]) == (2, 1)


def test_where_a_folder_is_missing_nobody_is_told_to_start(station: Station) -> None:
    """
    It would be refused: the folder comes first.
    """
    station.drop("cat.png")
    station.call("once")
    shutil.rmtree(station.folders.outbox)

    _, body = look(station)

    (first, second) = body["attention"]
    assert f"folders.outbox: {station.folders.outbox} is not there" in first
    assert "Once folders.outbox is there again, start it with `retouchd run`" in second


def test_an_inbox_that_is_missing_is_not_called_empty(station: Station) -> None:
    """
    Where its disk is not mounted, nobody knows what waits in it.
    """
    station.folders.inbox.rmdir()

    _, body = look(station)
    _, asking = station.call("status")

    assert (body["waiting_count"], body["waiting_kinds"]) == (None, None)
    (said,) = [line for line in asking.out.splitlines() if line.startswith("in the inbox")]
    assert said.split(maxsplit=3)[3].startswith("cannot be looked into now")


def test_a_daemon_without_a_sign_of_life(station: Station) -> None:
    """
    1 and `hung`, where it holds the lock but has said nothing for minutes.
    """
    daemon = station.start("run").ready()
    notice = station.folders.work / "status.json"
    daemon.until(notice.exists)
    daemon.tell(signal.SIGSTOP)
    os.utime(notice, (1, 1))

    code, body = look(station)
    daemon.tell(signal.SIGCONT)

    assert (code, body["state"]) == (1, "hung")
    assert any("sign of life" in sentence for sentence in body["attention"])


def test_a_damaged_notice_and_history(station: Station) -> None:
    """
    What cannot be read is passed over; the rest is told.
    """
    station.drop("cat.png")
    station.call("once")
    (station.folders.work / "status.json").write_bytes(b"\0" * 100)
    with (station.folders.work / "history.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')

    code, body = look(station)

    assert code == 3
    assert body["today"]["done"] == 1


def test_what_cannot_be_read_is_named(station: Station) -> None:
    """
    A history that is no file is told as a sentence, by whoever needs it.
    """
    history = station.folders.work / "history.jsonl"
    history.mkdir()

    for command in (["status"], ["status", "--json"], ["once", "--dry-run"], ["run"]):
        code, running = station.call(*command)

        assert code == 75
        assert "Traceback" not in running.err
        assert f"{history} cannot be used now: Is a directory." in running.err


def test_asking_does_not_keep_a_daemon_from_starting(station: Station) -> None:
    """
    Whoever asks for the holder has the lock for a moment only; a daemon that starts then waits for it.
    """
    asking = [station.start("status", "--json") for _ in range(4)]
    daemon = station.start("run").ready()

    assert {each.end() for each in asking} <= {0, 3}
    assert daemon.process.poll() is None


def test_a_dry_run_touches_nothing(station: Station) -> None:
    """
    0 beside a running daemon's lock or without folders made: the table shows what would be sent where.
    """
    station.configure(intake={"settle_seconds": 0}, edit={"size": "1024x1024"})
    station.drop("鞋/红.png", prompt="改成蓝色")
    station.drop("lone.png", prompt=None)
    before = station.originals()

    code, running = station.call("once", "--dry-run")

    assert code == 0, running.err
    for text in ("鞋/红.png", "改成蓝色", "gpt-image-2", "size=1024x1024", "outbox/鞋/红.png"):
        assert text in running.out, text
    assert "waits: lone.png: waits for its prompt" in running.out
    assert "1 would be sent (at most $0.224), 0 would go to error/" in running.out
    assert station.originals() == before
    assert list(station.folders.work.iterdir()) == []


def test_a_dry_run_tells_what_has_no_known_price(station: Station) -> None:
    """
    What is known is added up, and nothing is made up for the rest; beyond a budget it waits.
    """
    station.configure(
        intake={"settle_seconds": 0},
        edit={"size": "1024x1024", "quality": "low"},
        budget={"images_per_day": 5},
    )
    for name, sidecar in (
        ("a", "n = 1\n"),
        ("b", "n = 2\n"),
        ("c", 'model = "my-model"\n'),
        ("d", "n = 6\n"),
    ):
        (station.folders.inbox / f"{name}.toml").write_text(sidecar, "utf-8")
        station.drop(f"{name}.png", prompt="blue")

    code, running = station.call("once", "--dry-run")

    assert code == 0, running.out
    assert "price unknown" in running.out
    assert "3 would be sent (at most $0.043, price unknown of 1)" in running.out
    assert "waits: d.png: The request asks for 6 pictures, more than" in running.out


def test_today_is_told_from_the_disk_alone(station: Station) -> None:
    """
    Without a daemon too: spent, in doubt, on its way, of unknown cost, and what the budget leaves.
    """
    station.configure(budget={"usd_per_day": 5, "images_per_day": 10})
    now = dt.datetime.now(dt.UTC)
    charges = [
        (1, 0.25, True),
        (2, 1.5, False),
        (3, None, False),
    ]
    line = {
        "id": "a",
        "status": "done",
        "finished_at": now.isoformat(),
        "charges": [
            {
                "number": number,
                "sent_at": now.isoformat(),
                "usd": usd,
                "in_doubt": in_doubt,
                "pictures": 2,
            }
            for number, usd, in_doubt in charges
        ],
    }
    History(station.folders.work).add(line)
    spool = Spool(work=station.folders.work, inbox=station.folders.inbox)
    spool.prepare()
    spool.open(a_job(id="20261123-120000-00000001"))
    opened = Opened(sent_at=now, pictures=1, estimate_usd=1.0)
    spool.open_attempt("20261123-120000-00000001", (1, 1), opened)

    _, body = look(station)
    _, running = station.call("status")

    assert body["budget"] == {"usd_per_day": 5, "images_per_day": 10}
    assert body["today"] == {
        "done": 1,
        "failed": 0,
        "failed_codes": {},
        "warned": 0,
        "cost_usd": 1.5,
        "cost_unknown": 1,
        "in_doubt_usd": 0.25,
        "reserved_usd": 1.0,
        "images": 7,
        "usd_left": 2.25,
        "images_left": 3,
    }
    told = " ".join(running.out.split())
    assert (
        "$1.50 spent, 1 request of unknown cost, at most $0.25 more perhaps charged, "
        "up to $1.00 for what is being edited, $2.25 of $5.00 left, 3 of 10 pictures left" in told
    )


def test_a_dry_run_tells_each_fault_once(station: Station) -> None:
    """
    What a sidecar gets wrong is found where the job is put together, and nowhere again.
    """
    station.configure(intake={"settle_seconds": 0})
    (station.folders.inbox / "猫.toml").write_text('size = "1000x1000"\n', "utf-8")
    station.drop("猫.png")

    code, running = station.call("once", "--dry-run")

    assert code == 1
    assert running.out.count("would go to error/: 猫.png: ") == 1
    assert running.out.count("1000x1000") == 1


def test_a_dry_run_tells_what_would_fail(station: Station) -> None:
    """
    1, with the sentence that would stand in error/.
    """
    station.configure(intake={"settle_seconds": 0})
    station.drop("cat.png", prompt=" ")
    station.drop("two\nlines.png")

    code, running = station.call("once", "--dry-run")

    assert code == 1
    assert "would go to error/: cat.png: cat.txt holds no text" in running.out
    assert "two\\nlines.png" in running.out
