"""The record of a run, the source of truth: its schema, its files, its lock, and sweep files. No JAX."""
