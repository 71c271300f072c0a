import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, a_job, member, named
from retouchd.job.naming import RECORD
from retouchd.job.pairing import pair
from retouchd.spool.plan import (
    Item,
    Plan,
    plan_originals,
    plan_outputs,
    rename_pending,
    suffixes_in,
)

FREE = frozenset[str]().__contains__


def sources_of(*names: str) -> list[str]:
    return [f"originals/{name}" for name in names]


def test_a_single_picture_gets_the_plain_name() -> None:
    """
    Its extension is that of the bytes received.
    """
    item = Item(key="output-1", source="outputs/1-1.webp", target="cat.webp")

    assert (item,) == plan_outputs(a_job(), ["outputs/1-1.webp"], FREE)


def test_several_pictures_share_one_free_stem() -> None:
    """
    One taken name moves all of them.
    """
    items = plan_outputs(
        a_job(), ["outputs/1-1.png", "outputs/1-2.jpg"], {"cat-2.jpg"}.__contains__
    )

    assert [item.target for item in items] == ["cat_2-1.png", "cat_2-2.jpg"]


def test_originals_share_the_stem_of_their_record() -> None:
    """
    A taken record moves the whole group, long names included.
    """
    job = a_job(member("cat.png"), member("cat.png.txt"), member("cat.mask.png"))
    sources = sources_of("cat.png", "cat.png.txt", "cat.mask.png")

    stem, items = plan_originals(job, sources, {f"cat{RECORD}"}.__contains__)

    assert stem == "cat_2"
    assert [item.target for item in items] == ["cat_2.png", "cat_2.png.txt", "cat_2.mask.png"]
    assert sources == [item.source for item in items]


def test_what_is_handed_over_gets_the_stem_too() -> None:
    """
    A paid answer that nobody could read stands beside the originals.
    """
    sources = ["attempt-2.response", *sources_of("cat.png")]

    _, items = plan_originals(a_job(), sources, FREE)

    assert [item.target for item in items] == ["cat.response", "cat.png"]


def test_a_mac_name_keeps_its_own_ending() -> None:
    """
    The stem of the group is cut off a member's name in whichever form it is written.
    """
    image, prompt = unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.txt")

    found = suffixes_in(a_job(member(image), member(prompt)), [image, prompt])

    assert found == {image: ".png", prompt: ".txt"}


ENDS = [".png", ".PNG", ".jpg", ".txt", ".prompt", ".png.txt", ".jpg.txt", ".mask.png"]
NAMES = [
    unicodedata.normalize(form, f"Größe{end}")
    for end in (*ENDS, ".heic")
    for form in ("NFC", "NFD")
]


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_no_two_files_get_the_same_name(names: set[str]) -> None:
    """
    Whatever is claimed together can be archived together, composed and decomposed twins included.
    """
    for bundle in pair(named(*names)):
        files = [each.name for each in bundle.files]
        job = a_job(*map(member, files), stem=bundle.stem)

        _, items = plan_originals(job, sources_of(*files), FREE)

        assert len(files) == len({item.target for item in items})
        assert len(files) == len({item.key for item in items})


def test_only_what_is_pending_is_renamed() -> None:
    """
    A picture that is already in the outbox keeps its name in the plan.
    """
    first, second = plan_outputs(a_job(), ["outputs/1-1.png", "outputs/1-2.png"], FREE)
    plan = Plan(finished_at=NOW, stem="cat", outputs=(first, second))
    renamed = plan_outputs(
        a_job(), ["outputs/1-1.png", "outputs/1-2.png"], lambda name: name == "cat-1.png"
    )

    found = rename_pending(plan, [second], renamed)

    assert [item.target for item in found.outputs] == ["cat-1.png", "cat_2-2.png"]
    assert [item.key for item in found.outputs] == ["output-1", "output-2"]
    assert [item.source for item in found.outputs] == ["outputs/1-1.png", "outputs/1-2.png"]
