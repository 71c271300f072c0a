"""
A job's way from claimed to over: prepare, attempt, judge, deliver.
"""
