"""
The vocabulary: job, member, attempt, and the names of files.
"""
