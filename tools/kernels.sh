#!/usr/bin/env bash
# Compiles the CUDA kernels. Maven runs it for the module cuda:
#   tools/kernels.sh CLASSES LOGS
# puts io/crossdock/cuda/kernels.fatbin, kernels-debug.fatbin and kernels.properties into the folder CLASSES, and
# what the assembler says of registers and spills into LOGS. Without nvcc it leaves them out and succeeds.
#
# What was compiled lies in .build/kernels under the hash of all it was made from, so neither `mvn clean` nor the
# launcher's own build compiles again. The same sources at the same path give the same bytes; the path counts
# because line numbers, for profilers, name it.
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
readonly root
readonly source=cuda/src/main/cuda
readonly cache=$root/.build/kernels
readonly flags=(
  -fatbin -std=c++20 -O3 -lineinfo --no-compress -Werror all-warnings -Xptxas -v
  -gencode 'arch=compute_90,code=compute_90'
  -I "$source/include"
)

# shellcheck source=tools/nvcc.sh
source "$root/tools/nvcc.sh"

main() {
  local classes=$1/io/crossdock/cuda logs=$2 key
  if ! find_nvcc; then
    rm -f -- "$classes"/kernels*
    echo 'GPU support is left out: no nvcc'
    return 0
  fi
  cd -- "$root"
  list_architectures
  key=$(hash_inputs)
  [[ -d $cache/$key ]] || build "$cache/$key"
  mkdir -p -- "$classes" "$logs"
  install_changed "$cache/$key" "$classes" kernels.fatbin kernels-debug.fatbin kernels.properties
  install_changed "$cache/$key" "$logs" ptxas.log ptxas-debug.log
}

# Code for every generation that this compiler knows; later GPUs take the PTX.
list_architectures() {
  local known generation
  known=$("$NVCC" --list-gpu-code)
  architectures=()
  for generation in 90 100; do
    [[ $known != *"sm_$generation"* ]] ||
      architectures+=(-gencode "arch=compute_${generation}a,code=sm_${generation}a")
  done
  if ((${#architectures[@]} == 0)); then
    echo "nvcc is too old for sm_90a: nvcc=$NVCC, needed=12.0" >&2
    return 1
  fi
}

hash_inputs() {
  {
    "$NVCC" --version
    printf '%s\n' "$root" "${flags[@]}" "${architectures[@]}"
    sha256sum -- tools/kernels.sh
    find "$source" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum --
  } | sha256sum | cut -d' ' -f1
}

# Two builds at once are fine: the second to end finds the work done.
build() {
  local target=$1 next release failed=0
  mkdir -p -- "$cache"
  next=$(mktemp -d -- "$cache/next.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf -- '$next'" EXIT
  echo "compiling CUDA kernels: nvcc=$NVCC"
  compile "$next/kernels.fatbin" "$next/ptxas.log" &
  release=$!
  compile "$next/kernels-debug.fatbin" "$next/ptxas-debug.log" -DCROSSDOCK_DEBUG || failed=1
  wait "$release" || failed=1
  ((failed == 0)) || return 1
  "$NVCC" --version | sed -n 's/.*release \([0-9.]*\),.*/nvcc=\1/p' >"$next/kernels.properties"
  printf 'architectures=%s\n' "$(code_names)" >>"$next/kernels.properties"
  mv -T -- "$next" "$target" 2>/dev/null || [[ -d $target ]]
  find "$cache" -mindepth 1 -maxdepth 1 ! -path "$target" ! -name 'next.*' -exec rm -rf -- {} +
}

# What -gencode was told: sm_90a and so on are machine code, compute_90 is PTX.
code_names() {
  printf '%s\n' "${architectures[@]}" "${flags[@]}" | sed -n 's/.*code=//p' | paste -sd ' '
}

compile() {
  local output=$1 log=$2
  shift 2
  if ! "$NVCC" "${flags[@]}" "${architectures[@]}" "$@" -o "$output" \
    "$source/kernels/crossdock.cu" >"$log" 2>&1; then
    grep -v '^ptxas info\|bytes stack frame' -- "$log" >&2
    return 1
  fi
}

# Times of files that are the same stay, so that nothing is built again for them.
install_changed() {
  local from=$1 to=$2 name
  shift 2
  for name; do
    cmp -s -- "$from/$name" "$to/$name" || cp -- "$from/$name" "$to/$name"
  done
}

main "$@"
