"""
What others are told: commands, a signed webhook, notifications, all from one durable queue in `work/events/`.
"""
