"""
Whether a bundle may be claimed, pure: its files have settled, and all it needs is there.

A file has settled after no event and no change of its signature for a while of the monotonic clock.

Events are only hints that restart the wait. A file's age by its own mtime is no proof, since copying
programs set it to the past; nor is a rename from a temporary name: rclone looks at the file afterwards,
ExifTool and Photoshop write it once more, sync clients set its times.

Whether a bundle may be claimed: all of it settled together, its references too, with a prompt from somewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from retouchd.disk.signature import Observation, Signature
from retouchd.errors import JobCode, Problem
from retouchd.inbox import missing
from retouchd.inbox.precedence import Content, FolderFile, Task, folder_faults, needed
from retouchd.inbox.waiting import CHANGING, REFERENCE
from retouchd.job.filenames import Kind
from retouchd.job.naming import shown
from retouchd.job.pairing import Bundle, ambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How long to wait, in seconds: for quiet, for a missing end marker, for a missing partner (0: for ever).
    """

    settle_seconds: float = 2
    incomplete_seconds: float = 10
    orphan_seconds: float = 3600


def observed(previous: Observation | None, signature: Signature, now: float) -> Observation:
    """
    Return the observation after a look at a file: unchanged, it goes on being quiet.
    """
    if previous is not None and previous.signature == signature:
        return previous
    return Observation(signature, now)


def touched(observation: Observation, now: float) -> Observation:
    """
    Return the observation after an event: the wait starts again.
    """
    return Observation(observation.signature, now)


def settled_at(observation: Observation, patience: Patience) -> float | None:
    """
    Return the moment of the monotonic clock at which the file settles, None for an empty file.

    A file of zero bytes is a placeholder: it has not arrived.
    """
    if observation.signature.size == 0:
        return None
    return observation.quiet_since + patience.settle_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """
    The bundle may be claimed; with problems it goes to `error/`. `since` is when it settled.
    """

    since: float
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """
    Something of the bundle still changes: look again at that moment.
    """

    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleWaiting:
    """
    Something is missing, and only somebody else can bring it; `at` is when patience ends, None for never.
    `is_missing` says that it is the picture or the prompt, which may be there under another name.
    """

    at: float | None
    reason: str
    is_missing: bool = False


BundleState: TypeAlias = Ready | Unsettled | BundleWaiting


_NOTHING = Task()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What matters to a bundle besides its files.

    `own` is what its structured sidecar says, None before that was read. `sources` are the folder files, the
    nearest first, `default` what the configuration says is to be done. `references` holds the observation of
    each picture that any of them names, or half a sentence on why it cannot be used. `namer` tells how this
    image comes to be a reference of another. `gone_at` is when a file that held for it was last seen to be
    gone: it may be about to be written anew. `is_unseen` says that nobody has looked yet whether its image is
    a mask instead, or which of several structured sidecars are other programs' files; `obstacle` says why that
    cannot be seen now. `companions` are the observations of what goes along with its image.
    """

    own: Content | None = None
    sources: tuple[FolderFile, ...] = ()
    references: Mapping[str, Observation | str] = field(default_factory=dict)
    namer: str | None = None
    default: Task = _NOTHING
    caption: str = ""
    is_unseen: bool = False
    obstacle: str = ""
    gone_at: float | None = None
    companions: Mapping[str, Observation] = field(default_factory=dict)


def readiness(
    bundle: Bundle,
    observations: Mapping[str, Observation],
    surroundings: Surroundings,
    patience: Patience,
    now: float,
) -> BundleState:
    """
    Return what becomes of a bundle at this moment of the monotonic clock.
    """
    if surroundings.namer is not None:
        return BundleWaiting(at=None, reason=f"{REFERENCE}: {surroundings.namer}")
    changes = [observations[named.name].quiet_since for named in bundle.files]
    if surroundings.gone_at is not None:
        changes.append(surroundings.gone_at)
    settled = max(changes) + patience.settle_seconds
    settled = max(
        settled, min(_companions_settle(surroundings, patience), settled + patience.settle_seconds)
    )
    if empty := [named for named in bundle.files if observations[named.name].signature.size == 0]:
        reason = f"{shown(empty[0].name)} is empty: it has not arrived yet"
        return _patiently(settled, reason, lambda: map(missing.empty, empty), patience, now)
    if now < settled or surroundings.is_unseen or surroundings.obstacle:
        return _unknown(settled, surroundings.obstacle, now)
    if bundle.fault is not None:
        return Ready(since=settled, problems=(bundle.fault,))
    if not bundle.images:
        lone = bundle.files[0]
        reason = missing.awaited_image(lone)
        problems = [missing.image_missing(lone)]
        return _as_missing(_patiently(settled, reason, lambda: problems, patience, now))
    return _with_own_edit(bundle, settled, surroundings, patience, now)


def _unknown(settled: float, obstacle: str, now: float) -> BundleState:
    """
    Return the state of a bundle of which nobody can say yet what it is.
    """
    if now < settled:
        return Unsettled(at=settled, reason=CHANGING)
    return BundleWaiting(at=None, reason=obstacle) if obstacle else about_to_be_read(now)


def settled_companions(
    surroundings: Surroundings, patience: Patience, now: float
) -> dict[str, Observation]:
    """
    Return the companions that go along with an image that is claimed now: what still changes stays behind.
    """
    return {
        name: each
        for name, each in surroundings.companions.items()
        if (at := settled_at(each, patience)) is not None and at <= now
    }


def _companions_settle(surroundings: Surroundings, patience: Patience) -> float:
    """
    Return when the companions settle that have arrived; an image waits for them as long again as for itself.
    """
    times = (settled_at(each, patience) for each in surroundings.companions.values())
    return max((at for at in times if at is not None), default=0.0)


def references_of(
    own: Content | None, sources: tuple[FolderFile, ...]
) -> tuple[tuple[str, ...], FolderFile | None]:
    """
    Return the references that hold, and the folder file that names them, None for the bundle's own sidecar.
    """
    if own is not None and own.images is not None:
        return own.images, None
    for source in sources:
        if source.content is not None and source.content.images is not None:
            return source.content.images, source
    return (), None


def _with_own_edit(
    bundle: Bundle, settled: float, surroundings: Surroundings, patience: Patience, now: float
) -> BundleState:
    if bundle.edits and surroundings.own is None:
        return about_to_be_read(now)
    if surroundings.own is not None and surroundings.own.obstacle:
        return BundleWaiting(
            at=None, reason=f"{shown(bundle.edits[0].name)} {surroundings.own.obstacle}"
        )
    if problems := _own_problems(bundle, surroundings.own):
        return Ready(since=settled, problems=problems)
    return _with_folder_files(bundle, settled, surroundings, patience, now)


def _own_problems(bundle: Bundle, own: Content | None) -> tuple[Problem, ...]:
    if own is None:
        return ()
    name = shown(bundle.edits[0].name)
    found = [
        Problem(code=code, message=f"{name} cannot be used: {words}", hint=f"Correct {name}.")
        for code, faults in (
            (JobCode.SIDECAR_INVALID, own.faults),
            (JobCode.REFERENCE_INVALID, own.reference_faults),
        )
        for words in faults
    ]
    if own.has_prompt and bundle.prompts:
        text = shown(bundle.prompts[0].name)
        message = f"{shown(bundle.images[0].name)} has two prompts: {text} and the one in {name}."
        found.append(ambiguous(message, f"Remove {text}, or the prompt from {name}"))
    return tuple(found)


def own_task(bundle: Bundle, own: Content | None) -> Task:
    """
    Return what the files of a bundle say is to be done; `own` is what its structured sidecar says.
    """
    return Task(
        has_prompt=bool(bundle.prompts) or (own is not None and own.has_prompt),
        edits=own.edits if own is not None else None,
        origin=bundle.edits[0].name if bundle.edits else "",
    )


def _with_folder_files(
    bundle: Bundle, settled: float, surroundings: Surroundings, patience: Patience, now: float
) -> BundleState:
    own = own_task(bundle, surroundings.own)
    relevant, task = _asked(bundle, surroundings)
    for source in relevant:
        if (state := _unready(source, patience, now)) is not None:
            return state
        settled = max(settled, settled_at(source.observation, patience) or settled)
    if any(folder_faults(relevant)):
        return Ready(since=settled)
    if task.lacking and not (task.edits and not own.edits):
        image = bundle.images[0]
        named = shown(own.origin) if task.edits else ""
        reason = missing.awaited_prompt(image, task.lacking, named)
        problems = [missing.prompt_missing(image, task.lacking, named)]
        return _as_missing(_patiently(settled, reason, lambda: problems, patience, now))
    return _with_references(bundle, settled, surroundings, patience, now)


def _asked(bundle: Bundle, surroundings: Surroundings) -> tuple[list[FolderFile], Task]:
    """
    Return the folder files that matter, and what is to be done with a picture as far as anything says so.
    """
    relevant, task = needed(surroundings.sources, own_task(bundle, surroundings.own))
    task = task.over(surroundings.default)
    return relevant, task.over(Task(has_prompt=True)) if surroundings.caption else task


def _unready(source: FolderFile, patience: Patience, now: float) -> BundleState | None:
    """
    Return what a folder file is waited for, None if it can be gone by.
    """
    what = f"the {shown(source.name)} of its folder"
    at = settled_at(source.observation, patience)
    if at is None:
        return BundleWaiting(at=None, reason=f"{what} is empty")
    if now < at:
        return Unsettled(at=at, reason=f"{what} still changes")
    if source.kind is Kind.FOLDER_EDIT and source.content is None:
        return about_to_be_read(now)
    if source.content is not None and source.content.obstacle:
        return BundleWaiting(at=None, reason=f"{what} {source.content.obstacle}")
    return None


def _with_references(
    bundle: Bundle, settled: float, surroundings: Surroundings, patience: Patience, now: float
) -> BundleState:
    paths, source = references_of(surroundings.own, surroundings.sources)
    for path in paths:
        observation = surroundings.references.get(path, "is not there")
        if isinstance(observation, str):
            if source is not None:
                return Ready(since=settled)
            problem = missing.reference_missing(bundle.edits[0], path, observation)
            reason = f"waits for its reference picture {shown(path)}, which {observation}"
            return _patiently(settled, reason, lambda: [problem], patience, now)  # noqa: B023
        at = settled_at(observation, patience)
        if at is None:
            return BundleWaiting(at=None, reason=f"its reference picture {shown(path)} is empty")
        if now < at:
            return Unsettled(at=at, reason=f"its reference picture {shown(path)} still changes")
        settled = max(settled, at)
    return Ready(since=settled)


def is_without_prompt(state: BundleState, bundle: Bundle, surroundings: Surroundings) -> bool:
    """
    Return whether all that a picture lacks is a prompt, or did until patience ended.
    """
    if isinstance(state, Ready) and not state.problems:
        return bool(_asked(bundle, surroundings)[1].lacking)
    if isinstance(state, Ready):
        return any(each.code is JobCode.PROMPT_MISSING for each in state.problems)
    return isinstance(state, BundleWaiting) and state.is_missing


def about_to_be_read(now: float) -> Unsettled:
    """
    Return the state of what is decided about once a file was read.
    """
    return Unsettled(at=now, reason="about to be read")


def _as_missing(state: BundleState) -> BundleState:
    return replace(state, is_missing=True) if isinstance(state, BundleWaiting) else state


def _patiently(
    since: float,
    reason: str,
    problems: Callable[[], Iterable[Problem]],
    patience: Patience,
    now: float,
) -> BundleState:
    if not patience.orphan_seconds:
        return BundleWaiting(at=None, reason=reason)
    end = since + patience.orphan_seconds
    if now < end:
        return BundleWaiting(at=end, reason=reason)
    return Ready(since=since, problems=tuple(problems()))
