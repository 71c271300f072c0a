"""
The configuration: one model of every key, read from environment, systemd credentials and a TOML file.

Every fault is reported at once, by its key, with the nearest known key for one that is misspelt. Read by
the commands only; the engine gets plain values (`settings_of`).
"""

from retouchd.config.faults import ConfigFault, KeyFault
from retouchd.config.intake import IntakeSection
from retouchd.config.model import (
    SANDBOX,
    Config,
    EditSection,
    EndpointSection,
    FoldersSection,
    at_home,
)
from retouchd.config.reading import PLACES, find, load, readable

__all__ = [
    "PLACES",
    "SANDBOX",
    "Config",
    "ConfigFault",
    "EditSection",
    "EndpointSection",
    "FoldersSection",
    "IntakeSection",
    "KeyFault",
    "at_home",
    "find",
    "load",
    "readable",
]
