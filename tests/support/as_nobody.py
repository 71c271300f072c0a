"""
`retouchd` run by somebody who may read next to nothing; only root becomes that.

    python as_nobody.py ARGUMENT…
"""

import codecs
import os

import retouchd.cli.command
import retouchd.cli.status  # noqa: F401 - perhaps nobody may not read it
from retouchd.cli.main import main

_NOBODY = 65534

if __name__ == "__main__":
    codecs.lookup("utf-8-sig")  # Nor that.
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
    main()
