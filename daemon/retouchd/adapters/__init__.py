"""
The adapters: one module for each outside thing, and the only one that imports its library.
"""
