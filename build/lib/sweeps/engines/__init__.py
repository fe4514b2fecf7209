"""Engines that run the cells of a grid. All that they know of a run is the record in its folder, so that a
grid may begin on one engine and end on another.
"""
