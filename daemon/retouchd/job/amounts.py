"""
Amounts in words.
"""

from decimal import Decimal


def dollars(amount: float | Decimal) -> str:
    """
    Return an amount as people read it: cents, and tenths of a cent where there are any.
    """
    if 0 < amount < 0.0005:
        return "less than $0.001"
    places = 2 if round(amount * 100, 1) == round(amount * 100) else 3
    return f"${amount:,.{places}f}"
