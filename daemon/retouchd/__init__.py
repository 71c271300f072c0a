"""
retouchd: a hot folder for AI image edits.
"""

__version__ = "0.1.0"
