"""
All that a run is told, as plain values; and those in force, which a reload swaps as a whole.

All that the engine is told, as plain values. The settings in force: swapped whole by a reload, read anew at
each use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retouchd.disk.folders import Folders
from retouchd.endpoint.client import Endpoint
from retouchd.inbox.precedence import EditPart, Layer, Task
from retouchd.inbox.readiness import Patience
from retouchd.inbox.watch_mode import Choice
from retouchd.job.companions import COMPANIONS
from retouchd.job.model import CONFIGURATION, Scalar
from retouchd.money.budget import Allowance
from retouchd.money.pricing import PriceList, prices_for
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Limits
from retouchd.request.models import Prices
from retouchd.spool.fingerprint import Policy
from retouchd.throttle.concurrency import Rates
from retouchd.throttle.retry import RetryBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class EditDefaults:
    """
    The `[edit]` and `[[edits]]` of the configuration: what a request holds where nobody said otherwise.
    `before` and `after` go around each prompt.
    """

    model: str
    prompt: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    output: Mapping[str, Scalar] = field(default_factory=dict)
    before: str | None = None
    after: str | None = None
    edits: tuple[EditPart, ...] = ()

    def layer(self) -> Layer:
        """
        Return it as the last of all layers.
        """
        texts = {"prompt": self.prompt, "prompt_before": self.before, "prompt_after": self.after}
        said = {key: text for key, text in texts.items() if text is not None}
        return Layer(
            origin=CONFIGURATION,
            values={"model": self.model, **said, **self.parameters, **self.output},
        )

    @property
    def task(self) -> Task:
        """
        Return what it says is to be done where no file does.
        """
        return Task(
            has_prompt=self.prompt is not None, edits=self.edits or None, origin=CONFIGURATION
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    One run's settings; what each means stands with the type it has, or in the configuration.

    `shown` is the effective configuration for the log, secrets masked; `fingerprint` tells it from others,
    secrets included: it takes its time, once, where it is asked for.
    """

    folders: Folders
    endpoint: Endpoint
    budget: RetryBudget
    edit: EditDefaults
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
    reads_captions: bool = False
    companions: tuple[str, ...] = COMPANIONS
    max_megapixels: float = 100
    fit: bool = True
    metadata: Metadata = Metadata.STRIP
    pads: bool = True
    output_megapixels: float = 120
    status_text: bool = True
    fingerprint: Callable[[], str] = str
    shown: Mapping[str, Any] = field(default_factory=dict)


class Current:
    """
    One run's settings at this moment. Whoever must not work by old ones keeps this, and none of its values.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def most_at_work(self) -> int:
        """
        Return how many jobs are taken from the inbox at most: as many again as are sent at once.
        """
        return 2 * self.concurrency

    @property
    def concurrency(self) -> int:
        """
        Return how many requests may be out at once.
        """
        return self.settings.endpoint.concurrency

    @property
    def rates(self) -> Rates:
        """
        Return how many requests and pictures may be sent a minute.
        """
        return self.settings.rates

    @property
    def retry_budget(self) -> RetryBudget:
        """
        Return how often a job may be asked.
        """
        return self.settings.budget

    @property
    def fingerprint(self) -> str:
        """
        Return what tells this configuration from others.
        """
        return self.settings.fingerprint()

    def edit_layer(self) -> Layer:
        """
        Return what the configuration says of every edit.
        """
        return self.settings.edit.layer()

    def edit_task(self) -> Task:
        """
        Return what the configuration says is to be done where no file does.
        """
        return self.settings.edit.task

    def limits(self, model: str) -> Limits:
        """
        Return what a model takes.
        """
        return self.settings.limits(model)

    def prices(self, model: str) -> Prices:
        """
        Return what a model costs.
        """
        return self.settings.prices(model)

    def max_megapixels(self) -> float:
        """
        Return how many million pixels a picture may have.
        """
        return self.settings.max_megapixels

    def allowance(self) -> Allowance:
        """
        Return what a day may cost.
        """
        return self.settings.allowance
