"""
`retouchd schema`: what a file of ours may say, for editors.
"""

import json

from retouchd.config.schema import SCHEMAS


def text_of(name: str) -> str:
    """
    Return a schema as a file of JSON.
    """
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False)
