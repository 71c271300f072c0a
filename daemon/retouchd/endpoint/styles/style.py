"""
What a style is: how one kind of endpoint is addressed and a request written for it, and nothing else.

Answers are read by their shape, whatever the style.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit, urlunsplit

from retouchd.job.model import Request, Scalar
from retouchd.request.envelope import Envelope
from retouchd.request.json_body import Measured
from retouchd.request.limits import EVERYTHING, Interface

BEARER, API_KEY, NO_AUTH = "bearer", "api-key", "none"
"""How a key is sent: as `Authorization: Bearer`, in a header of that name, or not at all."""

EDITS = "/images/edits"


class StyleName(StrEnum):
    """
    The styles by the names that the configuration has for them.
    """

    OPENAI = "openai"
    OPENAI_JSON = "openai-json"
    XAI = "xai"
    OPENROUTER = "openrouter"
    AZURE = "azure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A request as it is to be written: the model by the name that the endpoint has for it, and the files by
    type and size in bytes.
    """

    request: Request
    images: Sequence[Measured]
    mask: Measured | None = None

    @property
    def files(self) -> list[Measured]:
        """
        Return all files in the order in which they are sent.
        """
        return [*self.images, *([self.mask] if self.mask else [])]


Remarks = list[str]
"""What was put right in an address: a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """
    One kind of endpoint.

    `title` names it in sentences. `write` takes what is asked and a boundary that occurs nowhere in it.
    `edits` and `models` return the URLs of an edit and of the list of models, from an address that was
    `righted`; the model is by the endpoint's own name. `lists_models` is false where that list says nothing
    about what may be asked for. `paid_hosts` want a key: a name, and where it begins with a dot
    whatever ends in it, such as the hosts of regions.
    """

    name: StyleName
    title: str
    write: Callable[[Asked, str], Envelope]
    edits: Callable[[str, str], str]
    models: Callable[[str], str]
    righted: Callable[[str], tuple[str, Remarks]]
    auth: str = BEARER
    lists_models: bool = True
    paid_hosts: tuple[str, ...] = ()
    interface: Interface = EVERYTHING

    def is_at(self, host: str) -> bool:
        """
        Return whether a host is one of those that are known to be of this style and to want a key.
        """
        plain = host.lower().rstrip(".")
        return any(
            plain == each.lstrip(".") or (each.startswith(".") and plain.endswith(each))
            for each in self.paid_hosts
        )


def below(base_url: str, path: str) -> str:
    """
    Return a URL below the endpoint's; what stands in its query stays.
    """
    root, mark, query = base_url.partition("?")
    return f"{root.rstrip('/')}{path}{mark}{query}"


def edits_below(base_url: str, _model: str) -> str:
    """
    Return where most endpoints take edits.
    """
    return below(base_url, EDITS)


def models_below(base_url: str) -> str:
    """
    Return where most endpoints list their models.
    """
    return below(base_url, "/models")


def without_route(base_url: str, routes: Sequence[str], remarks: Remarks) -> SplitResult:
    """
    Return the parts of an address without a route that is added to each request anyway; adds what was cut.
    """
    parts = urlsplit(base_url)
    if parts.fragment:
        remarks.append(
            "endpoint.base_url holds a #: what follows it is sent to nobody and left out."
        )
    _, user, netloc = parts.netloc.rpartition("@")
    if user:
        remarks.append(
            "endpoint.base_url holds a user: it is sent to nobody and left out. Where the endpoint wants one, "
            "endpoint.headers takes Authorization."
        )
    parts = parts._replace(netloc=netloc, fragment="")
    path = parts.path.rstrip("/")
    for route in routes:
        if path.endswith(route):
            remarks.append(
                f"endpoint.base_url ends in {route}: retouchd adds the route of edits by itself, so that is "
                "left out."
            )
            return parts._replace(path=path.removesuffix(route).rstrip("/"))
    return parts._replace(path=path)


def righted_below(
    hosts: Mapping[str, str], routes: Sequence[str] = ()
) -> Callable[[str], tuple[str, Remarks]]:
    """
    Return what puts an address right: without a route, and at a known host below its one root.
    """

    def righted(base_url: str) -> tuple[str, Remarks]:
        remarks: Remarks = []
        parts = without_route(base_url, (EDITS, "/images/generations", *routes), remarks)
        root = hosts.get((parts.hostname or "").lower().rstrip("."))
        if root is not None and parts.path in _PARTS_OF[root]:
            remarks.append(
                f"endpoint.base_url lacks {root}, where {parts.hostname} answers: it is added."
            )
            parts = parts._replace(path=root)
        return urlunsplit(parts), remarks

    return righted


_PARTS_OF = {"/v1": ("",), "/api/v1": ("", "/api", "/v1")}
"""What people write of a root when they do not write all of it."""


def parameters_of(request: Request) -> dict[str, Scalar]:
    """
    Return what a JSON document says beside the pictures: model, prompt, and only what was set, by its own type.

    Raises ValueError for a request without a prompt: such a job has a problem and never gets as far as this.
    """
    if request.prompt is None:
        raise ValueError("a request without a prompt cannot be sent")
    return {"model": request.model, "prompt": request.prompt, **request.parameters}
