"""
JSON files that other programs lay beside pictures: descriptions for themselves, which are nobody's sidecar.

A file is one of theirs if it has the keys that one of them writes and none that says what is to be done, or
none of ours at all. Any other is a sidecar, and told of if it cannot be used: a mistyped `promt` must not lead
to a picture without it.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from retouchd.request.fields import PROMPT_PARTS, Sidecar
from retouchd.request.overrides import nearest

_OWN = frozenset({"prompt", *PROMPT_PARTS, "images", "mask", "edits"})
"""What only a sidecar has: `size`, `user`, `model`, `extra` are ordinary words that others write, too."""
_PARAMETERS = frozenset(Sidecar.model_fields)

_NOBODYS = "a JSON file without any key of a sidecar"

_TABLE: tuple[tuple[str, tuple[AbstractSet[str], ...]], ...] = (
    # What is called so has all the keys of one of the sets.
    (
        "Google Takeout's description of a photo",
        (
            {"photoTakenTime"},
            {"photoLastModifiedTime"},
            {"geoDataExif"},
            {"googlePhotosOrigin"},
            {"title", "imageViews"},
            {"title", "geoData"},
        ),
    ),
    (
        "Google Takeout's description of an album",
        ({"albumData"}, {"title", "access", "date"}),
    ),
    ("ExifTool's list of metadata", ({"SourceFile"}, {"ExifToolVersion"})),
    ("a workflow of ComfyUI", ({"last_node_id", "nodes"}, {"nodes", "links"})),
    ("gallery-dl's description of a picture", ({"category", "subcategory", "extension"},)),
    ("Instaloader's description of a post", ({"node", "instaloader"},)),
    ("Flickr's description of a photo", ({"photopage", "date_taken"},)),
    ("a list of shapes of LabelMe", ({"shapes", "imagePath"},)),
    ("osxphotos' description of a photo", ({"uuid", "original_filename"},)),
    ("a manifest of Content Credentials", ({"claim_generator", "assertions"}, {"active_manifest"})),
)
_TOKEN = re.compile(
    rb"(?P<open>[{\[])|(?P<shut>[}\]])"
    rb'|"(?P<text>(?:[^"\\]|\\.)*+)(?:"(?P<is_key>\s*+:)?|\\?\Z)',  # Perhaps broken off.
    re.DOTALL,
)


def foreign_json(tree: object) -> str | None:
    """
    Return what the content of a JSON file is called that is another program's, None for any other, and where
    there is none (`tree` is None).
    """
    if isinstance(tree, list) and tree:
        tree = tree[0]
    if not isinstance(tree, dict):
        return None if tree is None else _NOBODYS
    below = {key for node in tree.values() if isinstance(node, dict) for key in node}
    is_graph = all(isinstance(node, dict) and "class_type" in node for node in tree.values())
    called = _called(tree.keys(), below if is_graph else frozenset())
    return called or (None if any(map(_is_ours, tree)) else _NOBODYS)


def foreign_beginning(raw: bytes) -> str | None:
    """
    Return the same of a file too long for any sidecar, by the keys that its beginning holds.
    """
    keys: dict[int, set[str]] = {1: set(), 2: set()}
    is_list = raw.lstrip().startswith(b"[")
    for depth, key in _keys(raw):
        keys.setdefault(depth - is_list, set()).add(key)
    return _called(keys[1], keys[2])


def _is_ours(key: str) -> bool:
    """
    Return whether a key is one of a sidecar, or `prompt` mistyped.
    """
    return key in _PARAMETERS or nearest(key.lower(), ["prompt"], 0.75) is not None


def _keys(raw: bytes) -> Iterator[tuple[int, str]]:
    """
    Yield each key of a JSON text that may break off, with how deep it stands.
    """
    depth = 0
    for found in _TOKEN.finditer(raw):
        if found["open"]:
            depth += 1
        elif found["shut"]:
            depth -= 1
        elif found["is_key"]:
            yield depth, found["text"].decode("utf-8", "replace")


def _called(keys: AbstractSet[str], below: AbstractSet[str]) -> str | None:
    """
    Return whose file it is that has these keys, and `below` those of what they stand for.
    """
    if keys & _OWN:
        return None
    if "class_type" in below and not keys & _PARAMETERS:
        return "a workflow of ComfyUI"
    return next((called for called, sets in _TABLE if any(each <= keys for each in sets)), None)
