"""Benchmarks of this machine: training and inference, measured side by side."""
