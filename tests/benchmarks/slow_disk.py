"""
Disks that are slower than this one: each flush takes so much longer.
"""

from dataclasses import dataclass

from preloaded import library


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """
    How many milliseconds longer a flush takes, and whether flushes wait for one another, as on one disk.
    """

    milliseconds: float = 0.0
    is_one_by_one: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """
        Return what a program is started with for whom the disk is so slow.
        """
        if not self.milliseconds:
            return {}
        built = library("slow_flush")
        assert built is not None, "there is no C compiler"
        queue = {"FLUSH_ONE_BY_ONE": "1"} if self.is_one_by_one else {}
        return {"LD_PRELOAD": built, "FLUSH_MS": f"{self.milliseconds}", **queue}

    @property
    def missing(self) -> str:
        """
        Return what is missing to measure it, nothing if all is there.
        """
        is_there = not self.milliseconds or library("slow_flush") is not None
        return "" if is_there else "a C compiler not installed"


AS_IT_IS = Flush()
