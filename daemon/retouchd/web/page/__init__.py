"""
The page for people: how things stand, the wall of finished edits, each job with its pictures side by side.
"""
