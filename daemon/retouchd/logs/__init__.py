"""
The log: one line for each change of state.
"""
