"""Sparsity: masks, scores, distributions over layers, structures, and the pruner that joins them."""
