"""Celery and nothing else: wake-ups, the beat, and the processes that serve them."""
