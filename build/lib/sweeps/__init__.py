"""Grids of runs: sweep files in W&B's format, the one-run entry, and the engines that run a grid."""
