"""
Whether a request may go now: breaker, concurrency, rates, retry times, budget, pause.
"""
