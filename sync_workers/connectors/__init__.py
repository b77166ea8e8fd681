"""One small class per platform; everything they share is beside them."""
