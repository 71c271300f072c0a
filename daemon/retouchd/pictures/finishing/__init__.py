"""
Results made what they are needed as: in the original's size, format, colours and metadata, and changed only
where asked.
"""
