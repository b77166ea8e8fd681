"""What ``sync-workers bench`` measures, how, and against whom. Nothing of the product imports this."""
