"""From the records of runs to tables and figures. Needs neither JAX nor W&B; changes no record."""

import os

os.environ["MPLBACKEND"] = "Agg"  # nothing is drawn on a screen; what a notebook sets may not even be importable here
