"""
The index of the history: whatever happens to it, it says what the history says.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from retouchd.spool.history_cache import HistoryCache

Cached: TypeAlias = Callable[[Path], HistoryCache]


@pytest.fixture
def cached() -> Iterator[Cached]:
    """
    Return what makes caches, which are closed at the end.
    """
    with contextlib.ExitStack() as stack:
        yield lambda work: stack.enter_context(contextlib.closing(HistoryCache(work)))


def line(number: int, status: str = "done", **more: Any) -> str:
    body = {
        "id": f"20261101-120000-{number:08x}",
        "status": status,
        "name": f"p{number}",
        "image": f"P{number}.jpg",
        "folder": "Böhm",
        "outputs": [f"Böhm/p{number}.png"],
        **more,
    }
    return json.dumps(body, ensure_ascii=False) + "\n"


def write(work: Path, *lines: str, mode: str = "w") -> None:
    with (work / "history.jsonl").open(mode, encoding="utf-8") as file:
        file.writelines(lines)


def names(cache: HistoryCache, **chosen: Any) -> list[str]:
    return [each["name"] for each in cache.page(limit=100, **chosen).lines]


def test_pages_follow_one_another_while_jobs_go_on_ending(tmp_path: Path, cached: Cached) -> None:
    """
    Newest first; no job is on two pages or on none, whatever is added meanwhile.
    """
    write(tmp_path, *map(line, range(25)))
    cache = cached(tmp_path)

    found, before = [], None
    for number in range(3):
        page = cache.page(limit=10, before=before)
        found += [each["name"] for each in page.lines]
        before = page.before
        write(tmp_path, line(100 + number), mode="a")

    assert before is None
    assert found == [f"p{number}" for number in reversed(range(25))]
    assert names(cache)[:4] == ["p102", "p101", "p100", "p24"]


def test_jobs_are_found_by_status_and_words(tmp_path: Path, cached: Cached) -> None:
    """
    In any case, in folders and results too; one that was tried again is in error/ no more.
    """
    write(
        tmp_path,
        line(1, "error"),
        line(2, "error"),
        line(3, previous="20261101-120000-00000001"),
        "no line at all\n",
        line(3, previous="20261101-120000-00000001"),
        '{"id": "torn',
    )
    cache = cached(tmp_path)

    assert names(cache) == ["p3", "p2", "p1"]
    assert names(cache, status="error") == ["p2"]
    assert names(cache, words="BÖHM P3.png") == ["p3"]
    assert names(cache, words="p3 p2") == []
    assert names(cache, words="%") == []
    assert cache.count("error") == 1
    later = cache.after("20261101-120000-00000001")
    assert later is not None
    assert later["name"] == "p3"
    assert cache.find("20261101-120000-0000000f") is None


@pytest.mark.parametrize("harm", ["removed", "cut", "noise", "folder", "other", "shorter"])
def test_it_is_made_anew_whatever_happens_to_it(tmp_path: Path, cached: Cached, harm: str) -> None:
    """
    Deleted, damaged, in the way, or of another history.
    """
    write(tmp_path, *map(line, range(2000)))
    path = tmp_path / "history.db"
    cache = cached(tmp_path)
    assert len(names(cache)) == 100
    cache.close()
    match harm:
        case "removed":
            path.unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:20_000])
        case "noise":
            path.write_bytes(b"x" * 50_000)
        case "folder":
            path.unlink()
            path.mkdir()
        case "other":
            write(tmp_path, *map(line, range(5000, 7000)))
        case "shorter":
            write(tmp_path, *map(line, range(10)))

    found = names(cached(tmp_path))

    newest = {"other": 6999, "shorter": 9}.get(harm, 1999)
    assert found[0] == f"p{newest}"
    assert len(found) == min(100, newest + 1)
    assert cached(tmp_path).find("20261101-120000-00000001") is not None or harm == "other"


@pytest.mark.parametrize("harm", ["removed", "noise", "inside"])
def test_it_is_made_anew_while_it_is_open(tmp_path: Path, cached: Cached, harm: str) -> None:
    """
    Where only what a list is chosen by is damaged, too.
    """
    write(tmp_path, *map(line, range(2000)))
    path, cache = tmp_path / "history.db", cached(tmp_path)
    assert names(cache)[0] == "p1999"
    match harm:
        case "removed":
            path.unlink()
        case "noise":
            path.write_bytes(b"x" * 50_000)
        case "inside":
            data = bytearray(path.read_bytes())
            data[27] += 1  # By which SQLite sees that somebody else has written.
            data[16_384:] = b"x" * (len(data) - 16_384)
            path.write_bytes(data)

    assert names(cache, status="done")[0] == "p1999"
    write(tmp_path, line(2000), mode="a")
    assert names(cache, words="p20")[0] == "p2000"
    assert cache.find("20261101-120000-00000001") is not None


def test_half_of_a_surrogate_pair_in_a_line_harms_no_other(tmp_path: Path, cached: Cached) -> None:
    """
    Of JSON it is a string, and none of SQLite's: such a line is left out.
    """
    half = line(2).replace("P2.jpg", "P\\ud800.jpg")
    write(tmp_path, line(1), half, line(3), line(4, review=["\\xff.png"]))

    assert names(cached(tmp_path)) == ["p4", "p3", "p1"]


def test_a_database_that_another_one_locks_is_done_without(tmp_path: Path, cached: Cached) -> None:
    """
    As on a share that cannot lock: it is kept in memory then.
    """
    write(tmp_path, *map(line, range(3)))
    cached(tmp_path).page(limit=1)
    write(tmp_path, line(4), mode="a")
    with contextlib.closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("BEGIN EXCLUSIVE")

        assert names(cached(tmp_path)) == ["p4", "p2", "p1", "p0"]


def test_of_a_hundred_thousand_jobs_any_page_comes_at_once(tmp_path: Path, cached: Cached) -> None:
    """
    The first look reads all of them, those behind it hardly any.
    """
    text = line(0x123456, "STATUS")
    states = ("done", *["error"] * 8)
    write(
        tmp_path,
        *(
            text.replace("00123456", f"{number:08x}").replace("STATUS", states[number % 9])
            for number in range(100_000)
        ),
    )
    cache = cached(tmp_path)
    cache.count("done")

    begun = time.process_time()
    page = cache.page(limit=48, before=2_000_000, status="done")
    cache.find("20261101-120000-0000abcd")

    assert time.process_time() - begun < 0.25
    assert len(page.lines) == 48


def test_jobs_that_only_the_recovered_lines_tell_of_are_there(
    tmp_path: Path, cached: Cached
) -> None:
    """
    In the order in which they ended; what both tell of is there once, as the history has it.
    """
    write(
        tmp_path,
        line(3, finished_at="2026-11-03T12:00:00Z"),
        line(5, finished_at="2026-11-05T12:00:00Z"),
    )
    cache = cached(tmp_path)
    assert names(cache) == ["p5", "p3"]
    (tmp_path / "recovered.jsonl").write_text(
        line(4, finished_at="2026-11-04T12:00:00Z")
        + line(3, finished_at="2026-11-03T12:00:00Z", name="twice")
        + json.dumps({"id": None, "folder": "", "record": "x.job.json", "seen": [1, 2]})
        + "\n"
        + line(1, finished_at="2026-11-01T12:00:00Z"),
    )

    assert names(cache) == ["p5", "p4", "p3", "p1"]
    first = cache.page(limit=2)
    assert [each["name"] for each in cache.page(limit=2, before=first.before).lines] == ["p3", "p1"]
    found = cache.find("20261101-120000-00000004")
    assert found is not None
    assert found["name"] == "p4"


def test_results_to_be_reviewed_are_found_by_their_paths(tmp_path: Path, cached: Cached) -> None:
    """
    A path that was free again tells of the last job that used it.
    """
    lines = [line(number, review=["Böhm/p.png", f"p{number}.png"]) for number in range(3)]
    write(tmp_path, *lines, line(3))
    cache = cached(tmp_path)

    assert [each["name"] for each in cache.reviewed(["p1.png", "Böhm/p.png", "p3.png"])] == [
        "p2",
        "p1",
    ]
