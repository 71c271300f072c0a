"""
What holds for an image, key by key: its own sidecars, the folder files from its folder up, the configuration.

`_prompt.txt` and `_edit.*` are the folder files. What is wrong with one of them concerns every image
below it and never moves any of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from retouchd.disk.signature import Observation
from retouchd.job.filenames import Kind
from retouchd.job.model import CONFIGURATION, Scalar
from retouchd.job.naming import path_below, shown

Values: TypeAlias = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPart:
    """
    One of several edits as a place names it: what it says over the values that hold for all of them.
    """

    name: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    What is to be done, as far as some places say it: whether there is a prompt for every edit, and which edits
    there are, None while no place decides about that. `origin` is where the edits are named.

    The nearest place that has a prompt or names edits decides: its prompt sets aside what edits are named
    farther away, and an empty list does, too. In one place a prompt is that of the edits that have none.
    """

    has_prompt: bool = False
    edits: tuple[EditPart, ...] | None = None
    origin: str = ""

    def over(self, farther: "Task") -> "Task":
        """
        Return what these places and one that is farther away say together.
        """
        has_prompt = self.has_prompt or farther.has_prompt
        if self.edits is None and not self.has_prompt:
            return Task(has_prompt=has_prompt, edits=farther.edits, origin=farther.origin)
        return Task(has_prompt=has_prompt, edits=self.edits or (), origin=self.origin)

    @property
    def lacking(self) -> tuple[str, ...]:
        """
        Return the names of the edits for which a prompt is still to be found; "" of a picture's only one.
        """
        if self.has_prompt:
            return ()
        return tuple(each.name for each in self.edits or _PLAIN if "prompt" not in each.values)


_PLAIN = (EditPart(name=""),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """
    What a structured sidecar or an `_edit.*` says: model, prompt and parameters by their keys.

    `images` are its references as paths below the inbox, None where it names none at all; `edits` likewise.
    `variables` are what prompts of folders and of the configuration have in braces. `faults` are
    sentences, `reference_faults` those about references; what a file that has any says besides, and its
    references, are told as far as they can be. `obstacle` is half a sentence on why the file could not be read.
    `digest` is the SHA-256 of its bytes. `foreign` is what another program's file is called that is nobody's
    sidecar, whatever its name; it says nothing.
    """

    values: Values = field(default_factory=dict)
    images: tuple[str, ...] | None = None
    edits: tuple[EditPart, ...] | None = None
    variables: Values = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    obstacle: str = ""
    reference_faults: tuple[str, ...] = ()
    digest: str = ""
    foreign: str = ""

    @property
    def has_prompt(self) -> bool:
        """
        Return whether the file says what is to be done.
        """
        return "prompt" in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFile:
    """
    A folder file: its folder and name, its observation, and what an `_edit.*` says once it was read.
    """

    folder: str
    name: str
    kind: Kind
    observation: Observation
    content: Content | None = None

    @property
    def path(self) -> str:
        """
        Return its path below the inbox.
        """
        return path_below(self.folder, self.name)

    @property
    def has_prompt(self) -> bool:
        """
        Return whether it says what is to be done: a `_prompt.txt` always does.
        """
        if self.kind is Kind.FOLDER_PROMPT:
            return True
        return self.content is not None and self.content.has_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """
    What one file says; `origin` is its path below the inbox, or `config`. `is_own` is one of the picture's own.
    """

    origin: str
    values: Values = field(default_factory=dict)
    images: tuple[str, ...] | None = None
    variables: Values = field(default_factory=dict)
    is_own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveValues:
    """
    All that holds for one image, and for each key where it was said.
    """

    values: Values
    images: tuple[str, ...]
    origin: Mapping[str, str]


def compose(layers: Iterable[Layer]) -> EffectiveValues:
    """
    Return what the layers say together; for each key the first layer that has it holds.
    """
    values: dict[str, Scalar] = {}
    origin: dict[str, str] = {}
    images: tuple[str, ...] | None = None
    for layer in layers:
        for key, value in layer.values.items():
            if key not in values:
                values[key], origin[key] = value, layer.origin
        if images is None and layer.images is not None:
            images, origin["images"] = layer.images, layer.origin
    return EffectiveValues(values=values, images=images or (), origin=origin)


def needed(sources: Sequence[FolderFile], own: Task) -> tuple[list[FolderFile], Task]:
    """
    Return the folder files that matter to an image, the nearest first: every `_edit.*`, and the nearest
    `_prompt.txt` if nothing nearer says what is to be done; and what they and its own files say of that.
    """
    found: list[FolderFile] = []
    task = own
    for _, group in groupby(sources, key=lambda source: source.folder):
        level = [s for s in group if s.kind is Kind.FOLDER_EDIT or task.lacking]
        task = task.over(_task_of(level))
        found += level
    return found, task


def _task_of(level: Sequence[FolderFile]) -> Task:
    lists = [(s.content.edits, s.path) for s in level if s.content and s.content.edits is not None]
    edits, origin = lists[0] if lists else (None, "")
    return Task(has_prompt=any(source.has_prompt for source in level), edits=edits, origin=origin)


def folder_faults(sources: Sequence[FolderFile]) -> Iterator[str]:
    """
    Yield what is wrong with folder files, a sentence each that begins with the file.
    """
    for source in sources:
        content = source.content or Content()
        for fault in (*content.faults, *content.reference_faults):
            yield f"{shown(source.path)} cannot be used: {fault}"
    for _, group in groupby(sources, key=lambda source: source.folder):
        yield from _ambiguities(list(group))


def _ambiguities(level: Sequence[FolderFile]) -> Iterator[str]:
    edits = [source for source in level if source.kind is Kind.FOLDER_EDIT]
    prompts = [source for source in level if source.has_prompt]
    for what, found in (("say what parameters hold", edits), ("say what is to be done", prompts)):
        if len(found) > 1:
            names = " and ".join(shown(source.path) for source in found)
            yield f"{names} both {what} for one folder. Keep only one of them."


def place_of(origin: str) -> str:
    """
    Return how a person is told where something was said.
    """
    return "[edit] of the configuration" if origin == CONFIGURATION else shown(origin)
