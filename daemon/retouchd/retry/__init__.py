"""
From `error/` back into the inbox.
"""
