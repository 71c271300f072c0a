"""
The settings in force: swapped whole by a reload, read anew at each use.
"""

from retouchd.engine.settings import Settings
from retouchd.rules.limits import Limits
from retouchd.rules.price_table import Prices
from retouchd.rules.spending import Allowance


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
        return 2 * self.settings.endpoint.concurrency

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
