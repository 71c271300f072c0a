"""
What `retouchd check` looks at, a topic a module.
"""
