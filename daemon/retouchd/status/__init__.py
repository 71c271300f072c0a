"""
What is told to people and programs: the inbox, work, `error/`, money, health.
"""
