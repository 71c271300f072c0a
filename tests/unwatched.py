"""
`retouchd` on a machine whose kernel has no watches left: everything comes from scans.
"""

from unittest import mock

from engine_world import NoWatches
from retouchd.adapters import watch
from retouchd.cli.main import main

if __name__ == "__main__":
    with mock.patch.object(watch, "Observer", NoWatches):
        main()
