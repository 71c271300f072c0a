"""
Prices, charges, and the rules of the budget.
"""
