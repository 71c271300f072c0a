"""
`python -m retouchd` is `retouchd`.
"""

from retouchd.cli.main import main

main()
