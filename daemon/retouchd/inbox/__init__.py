"""
From a file event to a claimed job: watch, index, settle, pair, precedence, claim.
"""
