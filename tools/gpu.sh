#!/usr/bin/env bash
# Checks and measures the CUDA engine on a GPU machine that has neither JDK nor Maven: docs/gpu.md.
#   tools/gpu.sh [STEP...]    steps: doctor suite suite-debug memcheck racecheck bench (default: these);
#                             bench-ll (low latency) soak soak-debug
#   OUT                       where logs, bench.json and table.txt go (default: a new folder)
#   CROSSDOCK_BUNDLE          archive made by tools/bundle.sh --tests (default: the one in .bundle)
#   CROSSDOCK_TESTS           regular expression of the full names of test classes, for quick runs
#   CROSSDOCK_GPU_SECONDS     time for everything (default: 570); what no longer fits is left out
#   CROSSDOCK_SOAK_CALLS      low-latency calls of a soak (default: 100000)
#   CROSSDOCK_BENCHES         regular expression of the benches to run, for example '4x24-.*'
set -uo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
readonly root
readonly kill_after_seconds=10 shown_lines=30 sanitizer_error=86 sanitizer_launch_seconds=120
readonly steps=(doctor suite suite-debug memcheck racecheck bench)
readonly debug_kernels=-Dcrossdock.cuda.debug=true
readonly soak_class=io.crossdock.verify.contract.lowlatency.GpuLowLatencySoakTest

# At most so long for each step; a bench has its own.
declare -A limits=([doctor]=60 [suite]=400 [suite-debug]=400 [memcheck]=200 [racecheck]=200 [bench]=90
  [bench-ll]=150 [soak]=560 [soak-debug]=560)

# NAME=OPTIONS of `bench intranode` and `bench low-latency`. Ranks are threads: processes would take turns on one GPU.
declare -A common=(
  [intranode]='--engine cuda --launch threads --tokens 4096 --hidden 7168 --experts 256 --topk 8 --iterations 50'
  [low-latency]='--engine cuda --launch threads --hidden 7168 --experts 288 --topk 8 --iterations 50'
)
benches=(
  "4x24-bf16=--ranks 4 --sms 24 --dtype bf16"
  "4x24-fp8=--ranks 4 --sms 24 --dtype fp8"
  "4x8-bf16=--ranks 4 --sms 8 --dtype bf16"
  "8x16-bf16=--ranks 8 --sms 16 --dtype bf16"
  "8x16-fp8=--ranks 8 --sms 16 --dtype fp8"
  "4x24-bf16-flushed=--ranks 4 --sms 24 --dtype bf16 --flush-l2"
  "4x24-bf16-graph=--ranks 4 --sms 24 --dtype bf16 --graph"
  "4x24-fp8-graph=--ranks 4 --sms 24 --dtype fp8 --graph"
  "8x16-fp8-graph=--ranks 8 --sms 16 --dtype fp8 --graph"
)
ll_benches=(
  "ll-8x16-fp8=--ranks 8 --sms 16"
  "ll-8x16-fp8-zero-copy=--ranks 8 --sms 16 --zero-copy"
  "ll-8x16-bf16-logfmt=--ranks 8 --sms 16 --tokens 128 --dtype bf16 --logfmt"
  "ll-4x32-fp8=--ranks 4 --sms 32 --tokens 128"
  "ll-overlap=--ranks 4 --sms 16 --tokens 128 --overlap --compute 200"
)

rows=()
bad=0

usage() {
  sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# seconds_for STEP: prints the step's limit, or what is left of the whole; fails when nothing is.
seconds_for() {
  local left=$((deadline - SECONDS))
  ((left > kill_after_seconds)) || return 1
  ((left < ${limits[$1]})) || left=${limits[$1]}
  echo "$left"
}

# bounded STEP COMMAND...: runs it in a process group of its own. When time is up a JVM writes what its threads do,
# and a little later the whole group is killed, as is what a command leaves behind.
bounded() {
  local seconds group code=0 signal=QUIT
  seconds=$(seconds_for "$1") || return 125
  [[ $1 != *check ]] || signal=TERM
  shift
  timeout --signal="$signal" --kill-after="$kill_after_seconds" "$seconds" "$@" </dev/null &
  group=$!
  { wait "$group" || code=$?; } 2>/dev/null
  kill -KILL -- "-$group" 2>/dev/null
  return "$code"
}

why() {
  case $1 in
    124 | 137) echo 'took too long' ;;
    125) echo 'no time left' ;;
    "$sanitizer_error") echo 'compute-sanitizer found errors' ;;
    *) echo "exit code $1" ;;
  esac
}

# row NAME RESULT SECONDS TESTS NOTE
row() {
  rows+=("$(printf '%-14s %-8s %4s s  %-26s %s' "$@")")
  printf '%s: %s %s\n' "$1" "$2" "$5"
  [[ $2 == ok ]] || bad=1
}

# show_failures LOG: what JUnit says of the tests that failed, or the end of a log that has no such part.
show_failures() {
  if grep -q '^Failures (' "$1"; then
    sed -n '/^Failures (/,/^Test run finished/p' "$1" | head -n "$shown_lines"
  else
    tail -n "$shown_lines" -- "$1"
  fi | cut -c 1-300 | sed 's/^/    /'
}

# count WORDS LOG: the number before these words in JUnit's summary; 0 if there is no summary.
count() {
  awk -v words="$1" 'index($0, " " words " ") && $1 == "[" { n = $2 } END { print n + 0 }' "$2"
}

# judge NAME CODE BEGIN: a step that ran tests, by its log. A run of skipped tests is no success.
judge() {
  local name=$1 code=$2 begin=$3 log=$OUT/$1.log run failed skipped reason
  run=$(($(count 'tests successful' "$log") + $(count 'tests failed' "$log")))
  failed=$(($(count 'tests failed' "$log") + $(count 'containers failed' "$log")))
  skipped=$(($(count 'tests skipped' "$log") + $(count 'tests aborted' "$log")))
  reason=$(grep -o -m 1 'no GPU: .*' "$log" | cut -c 1-80)
  if ((code == 2 && run + failed + skipped == 0)); then
    code='no test has the tag'
  elif ((code == 0 && run == 0)); then
    code="no test ran: ${reason:-all were skipped}"
  elif ((code != 0)); then
    code=$(why "$code")
  fi
  row "$name" "$([[ $code == 0 ]] && echo ok || echo FAILED)" "$((SECONDS - begin))" \
    "run $run failed $failed skipped $skipped" "$([[ $code == 0 ]] || echo "$code")"
  [[ $code == 0 || $code == 'no test'* ]] || show_failures "$log"
}

run_doctor() {
  local begin=$SECONDS log=$OUT/doctor.log code=0
  bounded doctor "$home/bin/crossdock" doctor >"$log" 2>&1 || code=$?
  cat -- "$log"
  if ((code)); then
    row doctor FAILED "$((SECONDS - begin))" '' "$(why "$code")"
  elif grep -q '^engine cuda  *works' "$log"; then
    row doctor ok "$((SECONDS - begin))" '' ''
  else
    row doctor FAILED "$((SECONDS - begin))" '' "$(grep -m 1 '^engine cuda' "$log" | tr -s ' ' | cut -c 1-80)"
  fi
}

# run_suite NAME [OPTION...]: with options of gpu-suite
run_suite() {
  local begin=$SECONDS code=0
  bounded "$1" "$home/bin/gpu-suite" "${@:2}" >"$OUT/$1.log" 2>&1 || code=$?
  judge "$1" "$code" "$begin"
}

# run_soak NAME
run_soak() {
  CROSSDOCK_JAVA_OPTS="${CROSSDOCK_JAVA_OPTS:-} -Dcrossdock.soak.calls=${CROSSDOCK_SOAK_CALLS:-100000}" \
    run_suite "$1" --select-class "$soak_class"
  grep '^low-latency soak' "$OUT/$1.log"
}

# Calls that fail by intent, such as asking for an extension that a driver lacks, are no errors.
sanitize() {
  local tool=$1 begin=$SECONDS code=0 sanitizer
  sanitizer=$(command -v compute-sanitizer || newest /usr/local/cuda*/bin/compute-sanitizer)
  if [[ -z $sanitizer ]]; then
    row "$tool" skipped 0 '' 'no compute-sanitizer found'
    return
  fi
  bounded "$tool" "$sanitizer" --tool "$tool" --target-processes all --report-api-errors no \
    --launch-timeout "$sanitizer_launch_seconds" --error-exitcode "$sanitizer_error" \
    "$home/bin/gpu-suite" --include-tag gpu-small >"$OUT/$tool.log" 2>&1 || code=$?
  judge "$tool" "$code" "$begin"
  grep -E '^=+ (ERROR|RACECHECK) SUMMARY' "$OUT/$tool.log" | tail -n 1
}

# All results in one file, written anew after each bench, since time may run out.
join_results() {
  local file separator=
  {
    echo '['
    for file in "$tmp"/bench/*.json; do
      [[ -s $file ]] || continue
      printf '%s' "$separator"
      cat -- "$file"
      separator=,
    done
    echo ']'
  } >"$OUT/bench.json"
}

# run_benches STEP WHAT ENTRY...
run_benches() {
  local step=$1 what=$2 entry name code begin options
  mkdir -p -- "$tmp/bench"
  for entry in "${@:3}"; do
    name=${entry%%=*}
    [[ $name =~ ^(${CROSSDOCK_BENCHES:-.*})$ ]] || continue
    begin=$SECONDS
    code=0
    read -ra options <<<"${common[$what]} ${entry#*=}"
    [[ ${options[*]} != *--overlap* ]] || options+=(--trace "$OUT/overlap-trace.json")
    echo "== $name: bench $what ${options[*]}" >>"$OUT/bench.log"
    bounded "$step" "$home/bin/crossdock" bench "$what" "${options[@]}" --json "$tmp/bench/$name.json" \
      >"$tmp/one.log" 2>&1 || code=$?
    cat -- "$tmp/one.log" >>"$OUT/bench.log"
    join_results
    if ((code)); then
      row "$name" FAILED "$((SECONDS - begin))" '' "$(why "$code") $(tail -n 1 -- "$tmp/one.log" | cut -c 1-100)"
    else
      row "$name" ok "$((SECONDS - begin))" '' ''
    fi
  done
}

# The debug kernels are asked for in Java's own variable, so that ranks that are processes get them too.
run_step() {
  case $1 in
    doctor) run_doctor ;;
    suite) run_suite suite ;;
    suite-debug) JDK_JAVA_OPTIONS=$debug_kernels run_suite suite-debug ;;
    memcheck | racecheck) sanitize "$1" ;;
    bench) run_benches bench intranode "${benches[@]}" ;;
    bench-ll) run_benches bench-ll low-latency "${ll_benches[@]}" ;;
    soak) run_soak soak ;;
    soak-debug) JDK_JAVA_OPTIONS=$debug_kernels run_soak soak-debug ;;
  esac
}

# newest FILE...: prints the newest of those that exist.
newest() {
  local file best=
  for file in "$@"; do
    [[ -e $file && (-z $best || $file -nt $best) ]] && best=$file
  done
  printf '%s\n' "$best"
}

facts() {
  if command -v nvidia-smi >/dev/null 2>&1; then
    timeout 20 nvidia-smi --format=csv,noheader \
      --query-gpu=index,name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,memory.total,memory.used,power.limit
  else
    echo 'no nvidia-smi'
  fi
  echo "cores=$(nproc), kernel=$(uname -r), bundle=${bundle##*/}, $(grep -h commit "$home/jvm.options")"
}

table() {
  printf '%s\n' '' "${rows[@]}"
  if [[ -s $OUT/bench.json ]]; then
    echo
    timeout 30 "$home/bin/test-java" io.crossdock.verify.gates.GateTable "$OUT/bench.json" 2>/dev/null
  fi
}

(($#)) || set -- "${steps[@]}"
for step in "$@"; do
  [[ -n ${limits[$step]:-} ]] || usage
done

deadline=$((SECONDS + ${CROSSDOCK_GPU_SECONDS:-570}))
OUT=${OUT:-$(mktemp -d -t crossdock-gpu-XXXXXX)}
tmp=$(mktemp -d -t crossdock-run-XXXXXX) || exit 4
trap 'rm -rf -- "$tmp"' EXIT
mkdir -p -- "$OUT" || exit 4
bundle=${CROSSDOCK_BUNDLE:-$(newest "$root"/.bundle/crossdock-*-tests.tar.xz)}
if [[ ! -r $bundle ]]; then
  echo "gpu: no bundle: run tools/bundle.sh --tests first, and carry .bundle: file=${bundle:-$root/.bundle}" >&2
  exit 4
fi
if ! tar -C "$tmp" -xf "$bundle"; then
  echo "gpu: bundle cannot be unpacked: file=$bundle" >&2
  exit 4
fi
home=$(echo "$tmp"/crossdock-*)
cd -- "$tmp" || exit 4

: >"$OUT/bench.log"
facts
for step in "$@"; do
  echo
  echo "== $step"
  run_step "$step"
done
table | tee -- "$OUT/table.txt"
echo "logs: $OUT"
exit "$bad"
