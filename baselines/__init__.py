"""Methods that the suite compares; baselines.registry names them."""
