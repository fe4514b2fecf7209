"""What surrounds every program: exit codes, signals, terminal, limits of the machine, settings of JAX."""
