"""From the records of runs to tables and figures. Needs neither JAX nor W&B; changes no record."""
