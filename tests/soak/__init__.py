"""Mixed traffic and random faults by a plan that a seed draws, then the proof: ``python -m tests.soak``."""
