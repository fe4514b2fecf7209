"""Sweep files of tests."""

#: The beginning of a sweep file; its parameters follow, indented.
HEAD = """
program: sweeps/run.py
command: ["${env}", python, "-m", sweeps.run, "${args}"]
name: tiny
method: grid
parameters:
"""
