"""
The styles that the endpoint speaks, each in a module of its own.
"""

from collections.abc import Mapping

from retouchd.sandbox.styles.azure import AZURE
from retouchd.sandbox.styles.openai import OPENAI, OPENAI_JSON
from retouchd.sandbox.styles.openrouter import OPENROUTER
from retouchd.sandbox.styles.style import Dialect
from retouchd.sandbox.styles.xai import XAI

__all__ = ["DIALECTS", "Dialect"]

DIALECTS: Mapping[str, Dialect] = {
    "openai": OPENAI,
    "openai-json": OPENAI_JSON,
    "xai": XAI,
    "openrouter": OPENROUTER,
    "azure": AZURE,
}
"""By the names that the configuration has for them."""
