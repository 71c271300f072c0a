"""
The prompt of one picture, whole: the fields of prompts that hold for many filled, all parts of it joined.
"""

from collections.abc import Container, Iterable
from dataclasses import replace

from retouchd.inbox.candidates import Candidate
from retouchd.inbox.held import HeldError
from retouchd.inbox.precedence import EffectiveValues, Layer, Values, place_of
from retouchd.inbox.sidecar_reader import SidecarReader
from retouchd.job.model import scalar_text
from retouchd.job.naming import shown
from retouchd.request.fields import PROMPT_PARTS
from retouchd.request.prompt_text import SIZE_FIELDS, VARS, fields_in, filled, joined


class PromptFields:
    """
    What stands in braces in the prompts of folders and of the configuration, for one picture.
    """

    def __init__(self, candidate: Candidate, variables: Values, reader: SidecarReader) -> None:
        self._folder, self._image = candidate.folder, candidate.bundle.images[0].name
        self._variables = {f"{VARS}{key}": scalar_text(each) for key, each in variables.items()}
        self._own = {"stem": shown(candidate.bundle.stem), "folder": shown(candidate.folder)}
        self._reader = reader
        sidecar = next((each.name for each in candidate.bundle.edits), "")
        self._sidecar = shown(sidecar or f"{candidate.bundle.stem}.toml")

    def filled(self, wishes: EffectiveValues, own: Iterable[Layer]) -> EffectiveValues:
        """
        Return the same with one whole prompt: its fields filled, and what goes before and after it joined.

        In a picture's own prompts nothing is a field.
        """
        literal = {layer.origin for layer in own}
        texts = {
            key: self._filled(str(wishes.values[key]), key, wishes.origin[key], literal)
            for key in ("prompt", *PROMPT_PARTS)
            if key in wishes.values
        }
        if "prompt" not in texts:
            return wishes
        before, after = (texts.get(key) for key in PROMPT_PARTS)
        whole = joined(before, texts["prompt"], after)
        return replace(wishes, values={**wishes.values, "prompt": whole})

    def _filled(self, text: str, key: str, origin: str, literal: Container[str]) -> str:
        if origin in literal:
            return text
        wanted, values = fields_in(text), {**self._own, **self._variables}
        if wanted & SIZE_FIELDS:
            width, height = self._reader.size(self._folder, self._image)
            values |= {"width": str(width), "height": str(height)}
        if lacking := sorted(wanted - values.keys()):
            written = " and ".join(f"{{{each}}}" for each in lacking)
            names = " and ".join(each.removeprefix(VARS) for each in lacking)
            raise HeldError(
                f"{place_of(origin)}: {key} has {written}, and nothing says what that is for "
                f"{shown(self._image)}. Write {names} into a table [vars] of its sidecar, {self._sidecar}."
            )
        return filled(text, values)
