"""The baselines: small honest scripts that do the same job with what people use otherwise.

The scripts run in an environment of their own (``requirements.txt``); this package only starts them.
"""
