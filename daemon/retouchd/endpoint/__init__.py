"""
The HTTP client for the edits endpoint.
"""
