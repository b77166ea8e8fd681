"""What is synced with what, and how news is fetched where nobody sends it."""
