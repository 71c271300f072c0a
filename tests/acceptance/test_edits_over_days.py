"""
Many pictures of several edits each under a budget that ends in their midst, and the day after.
"""

import json
import re
import time
from collections import Counter

from process import Station

PICTURES = 60
EDITS = 3
A_DAY = PICTURES * EDITS * 5 // 9
DAY_SECONDS = 24 * 3600
_BUDGET_IS_SPENT = 75


def zone(midnight: float) -> str:
    """
    Return a time zone in which a day begins at that moment.
    """
    west = int(midnight) % DAY_SECONDS
    return f"DAY{west // 3600}:{west // 60 % 60:02}:{west % 60:02}"


def test_a_budget_that_ends_among_the_edits_of_many_pictures(station: Station) -> None:
    """
    Never more than a day may cost, no edit twice; the next day the rest, and meanwhile it is told what waits.
    """
    endpoint = station.endpoint()
    station.configure(
        endpoint={"base_url": endpoint.url}, budget={"images_per_day": A_DAY}, edit={"n": 1}
    )
    names = [f'[[edits]]\nname = "e{number}"\nprompt = "{number}"\n' for number in range(EDITS)]
    (station.folders.inbox / "_edit.toml").write_text("".join(names))
    for number in range(PICTURES):
        station.drop(f"{number:04}.png", None)
    today = zone(time.time() - DAY_SECONDS / 2)

    code, _ = station.call("once", TZ=today)
    found = json.loads(station.call("status", "--json", TZ=today)[1].out)

    assert code == _BUDGET_IS_SPENT
    asked = Counter(endpoint.requests)
    assert asked.total() == len(asked) == A_DAY
    begun = [int(each["reason"].partition(" of 3 edits done, ")[0]) for each in found["in_flight"]]
    assert all(0 < number < EDITS for number in begun)
    published = len(station.tree("outbox"))
    assert published + sum(begun) == A_DAY
    assert published // EDITS + len(begun) + len(found["waiting"]) == PICTURES
    assert re.search(r"[12] of 3 edits done, ", station.call("status", TZ=today)[1].out)

    tomorrow = int(time.time()) + 1
    while time.time() < tomorrow:
        time.sleep(0.01)
    code, _ = station.call("once", TZ=zone(tomorrow))

    assert code == 0
    asked = Counter(endpoint.requests)
    assert asked.total() == len(asked) == PICTURES * EDITS
    assert len(station.tree("outbox")) == PICTURES * EDITS
    assert station.tree("inbox") == ["_edit.toml"]
    assert found["today"]["images"] == A_DAY
