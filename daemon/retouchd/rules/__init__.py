"""
The rules: values in, values out. No files, no network, no logging, and the clock is an argument.
"""
