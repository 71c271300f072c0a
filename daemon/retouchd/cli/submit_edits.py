"""
The sidecar that `retouchd submit --edits` drops beside each picture.
"""

from pathlib import Path

from retouchd.config.settings import Settings
from retouchd.inbox.precedence import EditPart, Task
from retouchd.job.filenames import EDIT_EXTENSIONS
from retouchd.job.naming import shown
from retouchd.request.edit_reader import read_edit
from retouchd.request.fields import Sidecar
from retouchd.request.formats import MAX_TREE_BYTES, notation_of, parse_tree
from retouchd.request.sidecar_tree import NotationFault


def task_of(path: Path, settings: Settings, *, has_prompt: bool) -> Task | list[str]:
    """
    Return what a sidecar says is to be done, or what is wrong with it. Raises OSError where it cannot be read.
    """
    name, ending = shown(str(path)), path.suffix.lower().removeprefix(".")
    if ending not in EDIT_EXTENSIONS:
        return [f"{name} is no sidecar: its name ends in .toml, .json, .yaml or .yml."]
    with path.open("rb") as file:
        raw = file.read(MAX_TREE_BYTES + 1)
    try:
        tree = parse_tree(
            raw, notation_of(ending), settings.text_encoding, is_chinese=settings.is_chinese
        )
    except NotationFault as error:
        return [f"{name} cannot be used: {error}"]
    said = read_edit(tree)
    if not isinstance(said, Sidecar):
        return [f"{name} cannot be used: {words}" for words in said]
    if has_prompt and said.prompt is not None:
        return [f"There are two prompts: --prompt and the one in {name}. Keep only one of them."]
    edits = tuple(EditPart(name=e.name, values=e.values()) for e in said.edits or ())
    return Task(has_prompt=said.prompt is not None, edits=edits or None)
