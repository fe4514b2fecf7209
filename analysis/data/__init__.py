"""Runs, however they were recorded, as one table of returns with protocol, provenance and scores."""
