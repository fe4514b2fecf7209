"""Estimators and comparisons: aggregates, intervals, pairs, profiles, elections, costs."""
