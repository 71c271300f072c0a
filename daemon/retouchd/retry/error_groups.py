"""
What lies in `error/`, put together again: which files belong to one job, and how a person names it.

A record `cat.job.json` or `cat.jpg.job.json` stands for the files it tells of, and for what was put beside
them later. Files without one (a person dragged them there, or an earlier return was cut short) are put
together by their family.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retouchd.job.filenames import Kind, Named, normal, parse, suffix_behind
from retouchd.job.naming import REASON, RECORD, RESPONSE, escaped, path_below, shown
from retouchd.job.pairing import pair
from retouchd.spool.record import companions_told, files_told

_LAST = (Kind.MASK, Kind.RECORD, Kind.FOREIGN_PICTURE, Kind.IMAGE)
_NEVER_BACK = (Kind.OTHER, Kind.REASON, Kind.FOLDER_PROMPT, Kind.FOLDER_EDIT)
_LATER_RESPONSE = re.compile(r"\.\d+\Z")
_DOUBTFUL = ("in_doubt", "bad_response", "content_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    The files of one job in a folder of `error/`: `names` in the order in which they return, images last.
    `leftovers` may be ours, and are of no use once those are back: the reason, answers without a picture.

    `stem` is what their names begin with, `wanted` the stem they once had; `code` says why they are here,
    None where no record does.
    """

    folder: str
    stem: str
    wanted: str
    names: tuple[str, ...]
    leftovers: tuple[str, ...]
    code: str | None

    @property
    def is_doubtful(self) -> bool:
        """
        Return whether another try may cost money that this one has cost already, or will be refused again.
        """
        return self.code in _DOUBTFUL

    def path(self, name: str) -> str:
        """
        Return a name with the group's folder before it.
        """
        return path_below(self.folder, name)

    def suffix(self, name: str) -> str:
        """
        Return what follows the stem in a name of the group's.
        """
        return suffix_behind(name, self.stem)

    def calls(self) -> set[str]:
        """
        Return every way to name the group: by its stem or a file, as they are or as they are shown.
        """
        own = {self.path(name) for name in (self.stem, *self.names, *self.leftovers)}
        return own | {escaped(each) for each in own} | {shown(each) for each in own}


def groups_in(
    folder: str, names: Iterable[str], records: Mapping[str, Mapping[str, Any]]
) -> list[Group]:
    """
    Return the groups of one folder of `error/`, by their stems. `records` are the documents by file name.
    """
    labels = {name.removesuffix(RECORD): name for name in records}
    told = {
        file: label for label, name in labels.items() for file in files_told(records[name]) or ()
    }
    found: dict[str, list[str]] = {}
    for name in names:
        label = told.get(escaped(name)) or _owner(name, labels) or _family(name)
        found.setdefault(label, []).append(name)
    made = (
        _group(folder, label, mine, records.get(labels.get(label, ""), {}))
        for label, mine in sorted(found.items())
    )
    return [group for group in made if any(_is_original(each) for each in group.names)]


def count_groups(names: Collection[str]) -> int:
    """
    Return how many groups lie in one folder of `error/`, by the names alone: no record is read for it.
    """
    labels = {name.removesuffix(RECORD) for name in names if name.endswith(RECORD)}
    # A record that names its image whole stands for that image's other files as well.
    whole = {named.stem: each for each in labels if (named := parse(each + RECORD)).target}
    found = set()
    for name in names:
        if _is_original(name) and (named := parse(name)).kind not in _NEVER_BACK:
            found.add(_owner(name, labels) or whole.get(named.family, named.family))
    return len(found)


def count_notes(names: Collection[str]) -> int:
    """
    Return how many records lie in one folder of `error/` whose originals were all taken away by hand.
    """
    labels = {name.removesuffix(RECORD) for name in names if name.endswith(RECORD)}
    whole = {named.stem: each for each in labels if (named := parse(each + RECORD)).target}
    kept = {
        _owner(name, labels) or whole.get(parse(name).family)
        for name in names
        if _is_original(name) and parse(name).kind not in _NEVER_BACK
    }
    return len(labels - kept)


def select(groups: Sequence[Group], wish: str) -> list[Group]:
    """
    Return the groups that a person means: by path, by a pattern, or by a name in any one folder.
    """
    wish = wish.removeprefix("./").removeprefix("error/").rstrip("/")
    exact = [group for group in groups if wish in group.calls()]
    if exact:
        return exact
    if any(sign in wish for sign in "*?["):
        return [g for g in groups if any(fnmatch.fnmatchcase(call, wish) for call in g.calls())]
    below = [g for g in groups if any(call.rpartition("/")[2] == wish for call in g.calls())]
    return below if len({group.folder for group in below}) == 1 else []


def may_join(group: Group, stem: str, there: Collection[str]) -> bool:
    """
    Return whether a group may take that stem where those names of its family lie already.

    A prompt that waits for its image may be joined, and what an earlier return left; an image may not. What
    would be paired with nothing of the group is in nobody's way.
    """
    own = {stem + group.suffix(name) for name in group.names}
    if own & set(there):
        return False
    had_fault = any(bundle.fault for bundle in pair(map(parse, own)))
    for bundle in pair(map(parse, {*own, *there})):
        files = {named.name for named in bundle.files}
        if files <= own or files.isdisjoint(own):
            continue
        has_image = any(image.name in there for image in bundle.images)
        if has_image or (bundle.fault is not None and not had_fault):
            return False
    return True


def _owner(name: str, labels: Collection[str]) -> str | None:
    """
    Return the label of the record that a file belongs to: the longest that its name begins with.
    """
    end = len(name)
    while (end := name.rfind(".", 0, end)) >= 0:
        front = name[:end]
        for label in (front, front.removesuffix("_mask"), front.removesuffix("-mask")):
            if label in labels:
                return label
    return None


def _family(name: str) -> str:
    """
    Return what a file without a record is put together by: of `cat.2.response` it is `cat` as well.
    """
    if name.endswith(RESPONSE):
        name = _LATER_RESPONSE.sub("", name.removesuffix(RESPONSE)) + RESPONSE
    return parse(name).family


def _group(folder: str, label: str, names: Iterable[str], record: Mapping[str, Any]) -> Group:
    request = record.get("request")
    images = request.get("images") if isinstance(request, Mapping) else None
    ends = {str(image).rpartition(".")[2].lower() for image in images or ()}
    parsed = [parse(name) for name in names]
    masks = {mask.name for bundle in pair(parsed) for mask in bundle.masks}
    companions = companions_told(record)
    returned = [each for each in parsed if _returns(each, ends) or escaped(each.name) in companions]
    returned.sort(key=lambda each: (each.name not in masks and _rank(each), each.name))
    name, error = record.get("name"), record.get("error")
    first = _stem(label, name) if record else next((each.stem for each in returned), label)
    is_plain = isinstance(name, str) and "name_hex" not in record and "/" not in name
    return Group(
        folder=folder,
        stem=first,
        wanted=str(name) if is_plain and name else first,
        names=tuple(each.name for each in returned if _begins(each.name, first)),
        leftovers=tuple(
            each.name for each in parsed if _is_left(each) and _begins(each.name, first)
        ),
        code=error.get("code") if isinstance(error, Mapping) else None,
    )


def _stem(label: str, name: object) -> str:
    """
    Return the stem of a record's group: of `cat.jpg.job.json` it is that of the image that it names whole.
    """
    named = parse(label + RECORD)
    is_whole = named.target is not None and escaped(named.stem) == name
    return named.stem if is_whole else label


def _begins(name: str, stem: str) -> bool:
    return normal(name).startswith(normal(stem))


def _is_left(named: Named) -> bool:
    return named.kind is Kind.REASON or named.name.endswith(RESPONSE)


def _returns(named: Named, image_ends: Collection[str]) -> bool:
    match named.kind:
        case Kind.FOREIGN_PICTURE:
            return named.target in image_ends
        case _:
            return named.kind not in _NEVER_BACK


def _rank(named: Named) -> int:
    return _LAST.index(named.kind) + 1 if named.kind in _LAST else 0


def _is_original(name: str) -> bool:
    return not name.endswith((RECORD, REASON))
