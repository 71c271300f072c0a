"""
All that the engine is told, as plain values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retouchd.disk.folders import Folders
from retouchd.endpoint.client import Endpoint
from retouchd.inbox.precedence import Layer
from retouchd.inbox.settling import Patience
from retouchd.inbox.watch_mode import Choice
from retouchd.job.model import CONFIGURATION, Scalar
from retouchd.money.budget import Allowance
from retouchd.money.price_overrides import prices_for
from retouchd.money.pricing import PriceList
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Limits
from retouchd.spool.fingerprint import Policy
from retouchd.throttle.rates import Rates
from retouchd.throttle.retry import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """
    The `[edit]` of the configuration: what a request holds where nobody said otherwise.
    """

    model: str
    prompt: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)

    def layer(self) -> Layer:
        """
        Return it as the last of all layers.
        """
        prompt = {} if self.prompt is None else {"prompt": self.prompt}
        return Layer(
            origin=CONFIGURATION, values={"model": self.model, **prompt, **self.parameters}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    One run's settings; what each means stands with the type it has, or in the configuration.

    `shown` is the effective configuration for the log, secrets masked; `fingerprint` tells it from others,
    secrets included.
    """

    folders: Folders
    endpoint: Endpoint
    budget: Budget
    edit: Edit
    limits: Callable[[str], Limits]
    patience: Patience
    rates: Rates = field(default_factory=Rates)
    prices: PriceList = prices_for
    allowance: Allowance = field(default_factory=Allowance)
    rescan_seconds: float = 60
    observer: Choice = Choice.AUTO
    poll_seconds: float = 5
    recursive: bool = True
    ignore: tuple[str, ...] = ()
    text_encoding: str | None = None
    is_chinese: bool = False
    duplicates: Policy = Policy.HOLD
    max_megapixels: float = 100
    fit: bool = True
    metadata: Metadata = Metadata.STRIP
    status_text: bool = True
    fingerprint: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)
