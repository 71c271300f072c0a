"""
What a record tells of results that are to be finished anew.
"""

from typing import Any

from retouchd.spool.refinishing import came, now


def test_what_a_file_said_holds_over_the_configuration_though_it_is_the_usual() -> None:
    """
    A job keeps only what differs from the usual: a photo whose own file keeps its position back would get it.
    """
    origins = {"output.gps": "cat.toml", "output.format": "_edit.toml", "output.size": "config"}
    told: dict[str, Any] = {"request": {"model": "m", "from": origins}, "output": {"size": "90"}}
    configured = {"gps": True, "format": "jpeg", "size": "60"}

    found = now({"edits": [told]}, 1, configured, {})

    assert (found.gps, found.format, found.size) == (False, "received", "60")


def test_pictures_are_told_edit_by_edit_though_one_of_the_edits_failed() -> None:
    """
    Names are given in that order: results would get those of each other.
    """
    body = {
        "edits": [
            {"status": "error", "outputs": []},
            {"status": "done", "outputs": ["cat-cold.png"]},
        ],
        "results": [{"path": "cat-cold.png", "sha256": "c" * 64}],
        "received": [{"edit": 1, "path": "cat-warm.received.png", "sha256": "d" * 64}],
    }

    assert [(each.edit, each.number) for each in came(body)] == [(1, 1), (2, 1)]
