"""
One run: assembly, daemon, watchdog, status files.
"""
