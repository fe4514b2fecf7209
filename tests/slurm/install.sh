#!/bin/sh
# SLURM and munge from the distribution's packages, unless they are there. Nothing is configured or started.
set -eu
absent=
for program in munged slurmctld slurmd sbatch srun; do
    command -v "$program" >/dev/null || absent="$absent $program"
done
[ -n "$absent" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: SLURM is not installed (missing:$absent), and installing it needs root and apt-get" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
quick="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60"
{ apt-get update $quick && apt-get install $quick -y --no-install-recommends slurm-wlm munge; } >/dev/null 2>&1 || {
    echo "error: apt-get cannot install slurm-wlm and munge" >&2
    exit 1
}
