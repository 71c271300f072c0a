"""
Its tests have their folders in memory.
"""

from memory_folders import tmp_path

__all__ = ["tmp_path"]
