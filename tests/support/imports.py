"""
What a Python program of its own has loaded.
"""

import subprocess
import sys
from collections.abc import Collection


def loaded_by(modules: str, of: Collection[str]) -> list[str]:
    """
    Return which `of` these are loaded once a new interpreter has imported some modules, separated by commas.
    """
    program = (
        f"import sys, {modules}\nprint(*(each for each in {tuple(of)} if each in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60, text=True
    )
    return run.stdout.split()
