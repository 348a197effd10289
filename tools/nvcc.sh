# shellcheck shell=bash disable=SC2034
# Sourced by ./check and tools/kernels.sh: finds the CUDA compiler, which the build can do without.

# find_nvcc: sets NVCC, or returns 1.
find_nvcc() {
  NVCC=$(command -v nvcc 2>/dev/null) && return 0
  NVCC=/usr/local/cuda/bin/nvcc
  [[ -x $NVCC ]]
}
