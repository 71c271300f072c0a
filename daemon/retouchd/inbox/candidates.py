"""
The bundles of a family as they stand: their files, what holds for them, and whether they may be claimed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from retouchd.disk.signature import Observation
from retouchd.inbox.folder_index import Key
from retouchd.inbox.observed_files import ObservedFiles
from retouchd.inbox.precedence import Task
from retouchd.inbox.readiness import (
    BundleState,
    BundleWaiting,
    Patience,
    Surroundings,
    about_to_be_read,
    is_without_prompt,
    readiness,
    references_of,
    settled_companions,
)
from retouchd.job.companions import owners_of
from retouchd.job.filenames import SIDECARS, Kind, Named, parse
from retouchd.job.naming import path_below, shown
from retouchd.job.pairing import Bundle, pair

_SPARED = "sent along with an earlier picture; give it a prompt of its own to have it edited too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A bundle as it stands now: its files as last observed, what holds for it, and whether it may be claimed.
    `companions` go along with it then.
    """

    folder: str
    bundle: Bundle
    observations: dict[str, Observation]
    surroundings: Surroundings
    state: BundleState
    companions: Mapping[str, Observation]


class Candidates:
    """
    Makes candidates of what was seen in the inbox. No I/O.
    """

    def __init__(
        self,
        *,
        files: ObservedFiles,
        patience: Patience,
        default: Callable[[], Task],
        takes_captions: bool = False,
    ) -> None:
        self._files = files
        self._patience = patience
        self._default = default
        self._takes_captions = takes_captions

    def of(self, key: Key, now: float) -> list[Candidate]:
        """
        Return the bundles of a family with their states.
        """
        unseen: list[str] = []
        names = map(parse, self._files.names(key))
        ours = [each for each in names if not self.foreign(key[0], each)]

        def shows_through(name: str) -> bool | None:
            found = self._files.shows_through(key[0], name)
            if found is None:
                unseen.append(name)
                if not self._obstacle(key[0], name):
                    self._files.read_again((key[0], name), now)
            return found

        return [
            self._candidate(key[0], bundle, unseen, now) for bundle in pair(ours, shows_through)
        ]

    def are_current(self, found: Sequence[Candidate]) -> bool:
        """
        Return whether the settings are those by which these were made.
        """
        return all(each.surroundings.default == self._default() for each in found)

    def foreign(self, folder: str, named: Named) -> str:
        """
        Return what another program's JSON file is called, empty for all else.
        """
        content = self._files.content(folder, named.name) if named.kind is Kind.EDIT else None
        return content.foreign if content else ""

    def _candidate(
        self, folder: str, bundle: Bundle, unseen: Sequence[str], now: float
    ) -> Candidate:
        observations = {
            named.name: self._files.observation(folder, named.name) for named in bundle.files
        }
        surroundings = self._surroundings(folder, bundle, observations, unseen)
        state = readiness(bundle, observations, surroundings, self._patience, now)
        may_take = self._takes_captions and bool(bundle.images)
        if may_take and is_without_prompt(state, bundle, surroundings):
            name = bundle.images[0].name
            caption = self._files.caption(folder, name)
            if caption is None and (obstacle := self._obstacle(folder, name)):
                state = BundleWaiting(at=None, reason=obstacle)
            elif caption is None:
                self._files.read_again((folder, name), now)
                state = about_to_be_read(now)
            elif caption:
                surroundings = replace(surroundings, caption=caption)
                state = readiness(bundle, observations, surroundings, self._patience, now)
        return Candidate(
            folder=folder,
            bundle=bundle,
            observations=observations,
            surroundings=surroundings,
            state=state,
            companions=settled_companions(surroundings, self._patience, now),
        )

    def _surroundings(
        self,
        folder: str,
        bundle: Bundle,
        observations: dict[str, Observation],
        unseen: Sequence[str],
    ) -> Surroundings:
        said = [self._files.content(folder, edit.name) for edit in bundle.edits]
        own = said[0] if len(said) == 1 else None
        sources = tuple(self._files.sources(folder))
        paths, _ = references_of(own, sources)
        images = [image.name for image in bundle.images if image.name in unseen]
        doubtful = [*images, *(edit.name for edit in bundle.edits if len(said) > 1)]
        return Surroundings(
            own=own,
            sources=sources,
            references=self._files.references.observations(paths),
            namer=self._namer(folder, bundle, observations),
            default=self._default(),
            is_unseen=bool(images) or (len(said) > 1 and None in said),
            obstacle=next(filter(None, (self._obstacle(folder, name) for name in doubtful)), ""),
            gone_at=self._files.gone_at((folder, bundle.files[0].family)),
            companions=self._companions(folder, bundle),
        )

    def _obstacle(self, folder: str, name: str) -> str:
        """
        Return why a file cannot be read, which is tried again at its time; empty for any other.
        """
        content = self._files.content(folder, name)
        return f"{shown(name)} {content.obstacle}" if content and content.obstacle else ""

    def owners(self, folder: str, name: str) -> list[Named]:
        """
        Return the pictures whose companion a file of no family may be; where there are several it is nobody's.
        """
        key = folder, parse(name).family
        is_companion = name in self._files.companions(key)
        return owners_of(name, self._files.names(key)) if is_companion else []

    def _companions(self, folder: str, bundle: Bundle) -> dict[str, Observation]:
        if not bundle.images:
            return {}
        names = self._files.companions((folder, bundle.images[0].family))
        return {
            name: self._files.observation(folder, name)
            for name in names
            if self.owners(folder, name) in [[image] for image in bundle.images]
        }

    def _namer(
        self, folder: str, bundle: Bundle, observations: dict[str, Observation]
    ) -> str | None:
        """
        Return how an image of the bundle comes to be a reference, None where it is none.
        """
        references = self._files.references
        has_own = any(named.kind in SIDECARS for named in bundle.files)
        for image in bundle.images:
            path = path_below(folder, image.name)
            for _, name in references.namers(path):
                return f"named in {shown(name)}"
            if not has_own and references.is_spared(path, observations[image.name].signature):
                return _SPARED
        return None
