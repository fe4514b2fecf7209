"""The machinery that every method shares, and EauDeQN itself."""
