"""The web process: takes deliveries in, says how the product is, and decides nothing."""
