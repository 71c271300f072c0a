"""
What an answer of the endpoint means: from its body to pictures or a verdict.
"""
