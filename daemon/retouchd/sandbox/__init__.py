"""
The embedded edits endpoint: a real HTTP server that answers as the provider would, without any AI.
"""
