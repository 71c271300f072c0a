"""
Durable writes, stat, opening without following links, space, folders, the lock.
"""
