import time

import pytest

from builders import mark
from retouchd.inbox.precedence import Task
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import BundleWaiting, Patience, Ready, Unsettled
from retouchd.inbox.scanner import LeftAlone


def empty_queue() -> InboxQueue:
    return InboxQueue(patience=Patience(settle_seconds=2, orphan_seconds=60), default=Task)


@pytest.fixture
def queue() -> InboxQueue:
    return empty_queue()


def see(queue: InboxQueue, now: float, *paths: str, mtime_ns: int = 1) -> None:
    for path in paths:
        folder, _, name = path.rpartition("/")
        queue.observed_files.see(folder, name, mark(mtime_ns=mtime_ns), now)


def taken(queue: InboxQueue, now: float) -> list[str]:
    """
    Return the families that are ready at a moment, in the order in which they are handed out.
    """
    queue.settle(now)
    found = []
    while key := queue.take():
        found.append("/".join(filter(None, key)))
    return found


def reasons(queue: InboxQueue, now: float) -> dict[str, str]:
    return {"/".join(filter(None, each[:2])): each.reason for each in queue.reasons.idle(now)}


def test_a_family_is_ready_when_it_has_settled(queue: InboxQueue) -> None:
    """
    It is looked at again when its time is up, and handed out once.
    """
    see(queue, 1, "cat.png")
    see(queue, 2, "cat.txt")

    assert taken(queue, 3.9) == []
    assert not queue.is_settled()
    assert queue.next_due() == 4
    assert taken(queue, 4) == ["cat"]
    assert taken(queue, 5) == []
    assert queue.is_settled()


def test_an_event_touches_its_own_family_only(queue: InboxQueue) -> None:
    """
    The neighbours go on being quiet.
    """
    see(queue, 1, "cat.png", "cat.txt", "dog.png", "dog.txt")

    queue.observed_files.note_event("", "cat.txt", 2.5)

    assert taken(queue, 3) == ["dog"]
    assert taken(queue, 4.5) == ["cat"]


def test_events_of_unknown_names_are_no_matter(queue: InboxQueue) -> None:
    """
    A file may be gone before its event is looked at.
    """
    queue.observed_files.note_event("", "cat.png", 1)

    assert not queue.observed_files.see("", "cat.png", None, 1)
    assert queue.is_settled()


def test_a_look_says_whether_there_is_news(queue: InboxQueue) -> None:
    """
    An event after an unchanged look still starts the wait again; the caller must know.
    """
    left = LeftAlone("a symbolic link", is_told=True)

    assert queue.observed_files.see("", "cat.png", mark(), 1)
    assert not queue.observed_files.see("", "cat.png", mark(), 2)
    assert queue.observed_files.see("", "cat.png", mark(5), 3)
    assert queue.observed_files.see("", "cat.png", left, 4)
    assert not queue.observed_files.see("", "cat.png", left, 5)
    assert queue.observed_files.see("", "cat.png", mark(), 6)
    assert queue.observed_files.see("", "cat.png", None, 7)


def test_what_goes_is_a_change_of_its_family(queue: InboxQueue) -> None:
    """
    A prompt that is gone may be about to be written anew: nobody takes the image with another one meanwhile.
    """
    see(queue, 1, "_prompt.txt", "cat.png", "cat.txt")
    assert queue.observed_files.see("", "cat.txt", None, 9)

    (candidate,) = queue.candidates.of(("", "cat"), 10.9)
    assert isinstance(candidate.state, Unsettled)
    assert taken(queue, 10.9) == []
    assert taken(queue, 11) == ["cat"]


def test_a_folder_file_that_goes_is_a_change_of_all_below(queue: InboxQueue) -> None:
    """
    An editor that saves by removing first has the pictures sent with what it writes, not with what is above.
    """
    see(queue, 1, "_prompt.txt", "shoes/_prompt.txt", "shoes/red/cat.png")

    queue.observed_files.see("shoes", "_prompt.txt", None, 9)
    assert taken(queue, 10.9) == []
    assert not queue.is_settled()
    see(queue, 10.9, "shoes/_prompt.txt")

    assert taken(queue, 12.8) == []
    assert taken(queue, 12.9) == ["shoes/red/cat"]


def test_a_folder_file_that_stays_away_is_waited_for_no_longer(queue: InboxQueue) -> None:
    """
    After settle_seconds what is above it counts; other folders never waited.
    """
    see(queue, 1, "_prompt.txt", "shoes/_prompt.txt", "shoes/cat.png", "hats/dog.png")

    queue.observed_files.see("shoes", "_prompt.txt", None, 9)

    assert taken(queue, 9) == ["hats/dog"]
    assert taken(queue, 11) == ["shoes/cat"]


def test_settled_first_then_older_then_by_path(queue: InboxQueue) -> None:
    """
    At start all files are seen at one moment: then their own times decide, then their paths.
    """
    see(queue, 1, "new.png", "new.txt", mtime_ns=9)
    see(queue, 1, "b/old.png", "b/old.txt", "a/old.png", "a/old.txt", mtime_ns=3)
    see(queue, 0, "first.png", "first.txt", mtime_ns=99)

    assert taken(queue, 10) == ["first", "a/old", "b/old", "new"]


def test_the_first_in_order_are_decided_about_first(queue: InboxQueue) -> None:
    """
    Of a large inbox some are claimed before the others are known.
    """
    for number in (3, 1, 4, 2):
        see(queue, 1, f"{number}.txt", mtime_ns=9)
        see(queue, 1, f"{number}.png", mtime_ns=number)

    queue.settle(5, most=2)
    assert queue.ready() == 2
    assert [queue.take(), queue.take()] == [("", "1"), ("", "2")]
    assert not queue.is_settled()
    assert queue.next_due() is not None

    assert taken(queue, 5) == ["3", "4"]
    assert queue.is_settled()


def test_a_folder_prompt_reaches_those_below(queue: InboxQueue) -> None:
    """
    Written after its images, it makes them ready, and those of other folders not.
    """
    see(queue, 1, "shoes/cat.png", "shoes/red/dog.png", "hats/bird.png", "shoestring/eel.png")
    assert taken(queue, 10) == []

    see(queue, 10, "shoes/_prompt.txt")

    assert taken(queue, 11) == []
    assert taken(queue, 12) == ["shoes/cat", "shoes/red/dog"]


def test_the_nearest_folder_prompt_counts(queue: InboxQueue) -> None:
    """
    It hides those above it, until it is gone.
    """
    see(queue, 1, "_prompt.txt", "shoes/_prompt.txt", "shoes/red/cat.png")
    expected = ["shoes/_prompt.txt", "_prompt.txt"]

    assert expected == [source.path for source in queue.observed_files.sources("shoes/red")]

    queue.observed_files.see("shoes", "_prompt.txt", None, 2)
    assert expected[1:] == [source.path for source in queue.observed_files.sources("shoes/red")]


def test_a_changing_folder_prompt_holds_its_images(queue: InboxQueue) -> None:
    """
    Folder files settle together with what they are for.
    """
    see(queue, 1, "_prompt.txt", "cat.png")
    assert taken(queue, 3) == ["cat"]

    queue.observed_files.note_event("", "_prompt.txt", 4)

    (candidate,) = queue.candidates.of(("", "cat"), 5)
    assert isinstance(candidate.state, Unsettled)
    assert taken(queue, 6) == ["cat"]


def test_one_of_two_folder_prompts_may_go(queue: InboxQueue) -> None:
    """
    Names without regard to case: what is left of them still counts.
    """
    see(queue, 1, "_Prompt.txt", "_prompt.txt", "cat.png")

    queue.observed_files.see("", "_prompt.txt", None, 2)

    assert [source.path for source in queue.observed_files.sources("")] == ["_Prompt.txt"]


def test_what_a_listing_no_longer_shows_is_forgotten(queue: InboxQueue) -> None:
    """
    Files that went without an event are not waited for.
    """
    see(queue, 1, "cat.png", "cat.txt", "dog.png")
    queue.observed_files.see("", "link", LeftAlone("a symbolic link", is_told=True), 1)

    queue.observed_files.forget("", ["cat.txt", "dog.png", "link"], before=5, now=6)

    assert {"cat.png"} == reasons(queue, 6).keys()
    assert queue.observed_files.names(("", "cat")) == ("cat.png",)


def test_what_came_after_a_listing_is_not_forgotten(queue: InboxQueue) -> None:
    """
    A file that an event brought while the folder was being listed is newer than the list.
    """
    see(queue, 6, "cat.png")

    queue.observed_files.forget("", ["cat.png"], before=5, now=7)

    assert queue.observed_files.names(("", "cat")) == ("cat.png",)


def test_what_cannot_be_looked_at_is_known_to_those_it_may_belong_to(queue: InboxQueue) -> None:
    """
    A partner in its own family, a folder file in all below; seen or gone, it is forgotten.
    """
    shut = LeftAlone("it cannot be looked at", is_told=True, is_shut=True)
    see(queue, 1, "a/cat.png", "a/cat.txt")
    for folder, name in [("a", "cat.mask.png"), ("a", "dog.mask.png"), ("", "_edit.toml")]:
        queue.observed_files.see(folder, name, shut, 1)
    queue.observed_files.see("b", "_edit.toml", shut, 1)
    queue.observed_files.see("a", "cat.toml", LeftAlone("a symbolic link", is_told=True), 1)
    assert queue.observed_files.shut(("a", "cat")) == [("a", "cat.mask.png"), ("", "_edit.toml")]

    queue.observed_files.forget("a", ["cat.mask.png", "dog.mask.png", "cat.toml"], before=2, now=2)
    see(queue, 3, "_edit.toml")

    assert queue.observed_files.shut(("a", "cat")) == []


@pytest.mark.parametrize("other", ["cat.xmp", "cat.job.json", "cat.heic", "cat.mask.png", "cat.md"])
@pytest.mark.parametrize("by_scan", [False, True])
def test_any_file_may_come_and_go_beside_an_image(
    queue: InboxQueue,
    other: str,
    by_scan: bool,  # noqa: FBT001 - both ways to learn of it
) -> None:
    """
    Files of the same stem that are not ours, too: cameras and editors leave many.
    """
    see(queue, 1, "cat.png", "cat.txt", other)

    if by_scan:
        queue.observed_files.forget("", [other], before=2, now=2)
    else:
        queue.observed_files.see("", other, None, 2)

    assert sorted(queue.observed_files.names(("", "cat"))) == ["cat.png", "cat.txt"]
    assert taken(queue, 9) == ["cat"]


def test_every_waiting_file_has_its_reason(queue: InboxQueue) -> None:
    """
    Nothing in the inbox is silent, but what is nobody's business.
    """
    see(queue, 1, "cat.png", "dog.txt", "readme.md", "bird.png", "bird.txt", "_prompt.txt.md")
    see(queue, 1, "fox.job.json", "fox.error.txt", "fox.2.response")
    see(queue, 9, "eel.png", "eel.txt")
    queue.observed_files.see("", "link.png", LeftAlone("a symbolic link", is_told=True), 1)
    queue.observed_files.see(
        "", ".DS_Store", LeftAlone("metadata of macOS", is_told=False, is_shown=False), 1
    )

    found = reasons(queue, 9)

    assert "waits for its prompt, cat.txt" in found["cat.png"]
    assert "waits for its image" in found["dog.txt"]
    assert "not taken" in found["readme.md"]
    for own in ("fox.job.json", "fox.error.txt", "fox.2.response"):
        assert "a note of retouchd's" in found[own]
    assert found["bird.png"] == found["bird.txt"] == "ready"
    assert found["eel.png"] == found["eel.txt"] == "still changing"
    assert "a symbolic link" in found["link.png"]
    assert ".DS_Store" not in found


def test_an_orphan_is_looked_at_again_when_patience_ends(queue: InboxQueue) -> None:
    """
    Without any event; and it does not keep the inbox from being settled meanwhile.
    """
    see(queue, 1, "cat.png")
    assert taken(queue, 10) == []
    assert queue.is_settled()
    (waiting,) = queue.candidates.of(("", "cat"), 10)
    assert isinstance(waiting.state, BundleWaiting)

    assert queue.next_due() == 63
    assert taken(queue, 63) == ["cat"]
    (candidate,) = queue.candidates.of(("", "cat"), 63)
    assert isinstance(candidate.state, Ready)
    assert candidate.state.problems


def seconds_for_an_event(names: int) -> float:
    """
    Return the least time that one event took in a folder of so many names, each tenth an image.
    """
    queue = empty_queue()
    for number in range(names):
        queue.observed_files.see("", f"{number}.{'xmp' if number % 10 else 'png'}", mark(), 0)
    queue.settle(50)
    times = []
    for moment in range(100, 130):
        began = time.perf_counter()
        if not queue.observed_files.see("", "0.png", mark(), moment):
            queue.observed_files.note_event("", "0.png", moment)
        queue.settle(moment)
        queue.candidates.of(("", "0"), moment)
        times.append(time.perf_counter() - began)
    return min(times)


def test_an_event_costs_the_same_in_a_large_folder() -> None:
    """
    A hundred thousand names beside it are not looked at.
    """
    small, large = seconds_for_an_event(10), seconds_for_an_event(100_000)

    assert large < 20 * small
