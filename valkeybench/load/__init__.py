"""Who asks: drivers over redis-py's own pools, in fresh processes."""
