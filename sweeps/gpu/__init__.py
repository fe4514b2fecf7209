"""`make gpu-check`: what a GPU computes, how fast, and what the paper's grids would take on it."""
