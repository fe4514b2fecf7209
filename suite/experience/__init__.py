"""Where transitions are kept, on the host, until a gradient step samples them."""
