"""
The work folder: a job's files are its state; records and history.
"""
