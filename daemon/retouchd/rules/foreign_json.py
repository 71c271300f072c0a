"""
JSON files that other programs lay beside pictures: descriptions for themselves, which are nobody's sidecar.

A file is one of theirs if it has the keys that one of them writes and none that a sidecar may have. Any other
is a sidecar, and told of if it cannot be used: a mistyped `promt` must not turn into a picture without it.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from retouchd.rules.edit import Sidecar

_OWN = frozenset(Sidecar.model_fields) | {"mask"}

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
_KEY = re.compile(rb'"([A-Za-z_]+)"\s*:')


def foreign_json(tree: object) -> str | None:
    """
    Return what the content of a JSON file is called that is another program's, None for any other.
    """
    if isinstance(tree, list) and tree:
        tree = tree[0]
    if not isinstance(tree, dict) or not tree:
        return None
    if all(isinstance(node, dict) and "class_type" in node for node in tree.values()):
        return "a workflow of ComfyUI"
    return None if tree.keys() & _OWN else _called(tree)


def foreign_beginning(raw: bytes) -> str | None:
    """
    Return the same of a file too long for any sidecar, by the keys that its beginning holds at whichever depth.
    """
    keys = dict.fromkeys(key.decode() for key in _KEY.findall(raw))
    return "a workflow of ComfyUI" if "class_type" in keys else _called(keys)


def _called(tree: Mapping[str, Any]) -> str | None:
    return next(
        (called for called, sets in _TABLE if any(keys <= tree.keys() for keys in sets)), None
    )
