"""The variables by which the tests, and the processes that they start, compile. JAX reads them when it is imported."""

from importlib.metadata import version
from pathlib import Path

#: Programs are kept from one test, process and session to the next: compiling is most of what tests do.
KEPT = {
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).resolve().parents[2] / ".pytest_cache/compiled"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
#: XLA ends the process for a flag that it does not know; this one was removed after jaxlib 0.10.
FUSION = " --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""
#: Programs of short tests run for milliseconds and take seconds to compile: a third of that with these settings. The
#: long tests, and `make test-all`, compile as a user's runs do.
QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "true", "XLA_FLAGS": f"--xla_cpu_parallel_codegen_split_count=1{FUSION}"}
