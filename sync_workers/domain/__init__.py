"""The pure middle: what decides touches no network, clock or database."""
