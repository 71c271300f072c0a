"""
The engine: the flow from the inbox to the history.
"""
