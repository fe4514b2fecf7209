"""Everything that speaks to Weights & Biases: uploads, synchronization, workspaces."""
