"""
What all tables of the configuration have in common.
"""

from pydantic import BaseModel, ConfigDict

PREFIX = "RETOUCHD_"
"""What our own variables begin with."""


class Section(BaseModel):
    """
    A table of the configuration file: unknown keys are faults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
