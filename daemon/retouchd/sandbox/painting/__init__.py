"""
Pictures looked at, changed and written on with Pillow, which nothing else of the endpoint imports.
"""
