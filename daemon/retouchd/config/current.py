"""
The settings in force: swapped whole by a reload, read anew at each use.
"""

from retouchd.config.settings import Settings
from retouchd.inbox.precedence import Layer
from retouchd.money.budget import Allowance
from retouchd.money.price_table import Prices
from retouchd.request.limits import Limits
from retouchd.throttle.rates import Rates
from retouchd.throttle.retry import Budget


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
    def retry_budget(self) -> Budget:
        """
        Return how often a job may be asked.
        """
        return self.settings.budget

    @property
    def fingerprint(self) -> str:
        """
        Return what tells this configuration from others.
        """
        return self.settings.fingerprint

    def edit_layer(self) -> Layer:
        """
        Return what the configuration says of every edit.
        """
        return self.settings.edit.layer()

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
