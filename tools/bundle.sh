#!/usr/bin/env bash
# Packs Crossdock with a Java runtime of its own, for machines without a JDK: docs/install.md.
#   tools/bundle.sh [--tests] [FOLDER]
#   --tests   the tests too, and what runs them; an archive of its own, with -tests in its name
#   FOLDER    where the archive is put (default: .bundle)
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
work=$root/.build
dist=$work/dist
log=$work/bundle.log
readonly root work dist log
readonly build_wait_seconds=1800

# shellcheck source=tools/jdk.sh
source "$root/tools/jdk.sh"

fail() {
  echo "bundle: $*" >&2
  exit 4
}

# Builds the test classes of the modules whose tests travel, and collects what these need to run.
build_tests() {
  local modules=verify
  [[ ! -e $root/cuda/pom.xml ]] || modules+=,cuda
  find_maven
  exec 9>"$work/lock"
  flock -w "$build_wait_seconds" 9 || fail "another build did not end: lock=$work/lock"
  (cd -- "$root" && run_maven -f "$root/pom.xml" -pl "$modules" -am -Ddist -Dbundle -Dbuild.folder=target/dist \
    -DskipTests -Dspotless.check.skip=true -Dcheckstyle.skip=true package) >"$log" 2>&1 9>&- || {
    tail -n 30 -- "$log" >&2
    fail "build of the tests failed: log=$log"
  }
  exec 9>&-
}

add_tests() {
  local module jar
  mkdir -p -- "$stage/tests/lib"
  for module in verify cuda; do
    [[ -d $root/$module/target/dist/test-classes ]] || continue
    "$JDK/bin/jar" --create --no-manifest --file "$stage/tests/crossdock-$module-tests.jar" \
      -C "$root/$module/target/dist/test-classes" .
  done
  for jar in "$root"/verify/target/dist/lib/*.jar; do
    [[ -e $stage/lib/${jar##*/} ]] || cp -- "$jar" "$stage/tests/lib/"
  done
  install -m 755 -- "$root/tools/bundle/gpu-suite" "$root/tools/bundle/test-java" "$stage/bin/"
}

# Modules of the JDK that the descriptors of the bundled modules require. Optional ones, which Jackson has
# for data that we never give it, stay out.
required_modules() {
  local module path=$stage/lib
  [[ ! -d $stage/tests ]] || path+=:$stage/tests/lib
  while read -r module; do
    "$JDK/bin/java" --module-path "$path" --describe-module "$module" |
      awk '$1 == "requires" && $2 ~ /^(java|jdk)\./ && !/ static/ { print $2 }'
  done < <("$JDK/bin/java" --module-path "$path" --list-modules | awk '/ file:/ { sub(/@.*/, "", $1); print $1 }')
}

# Tests have no descriptor and run on the class path, so their classes and all that these reach are read, but
# not the bundled modules, whose descriptors say enough. JUnit finds classes in jars through the zip file
# system, a service that no class names.
test_modules() {
  echo jdk.zipfs
  "$JDK/bin/jdeps" --multi-release "$JDK_FEATURE" --ignore-missing-deps --print-module-deps \
    --class-path "$stage/tests/lib/*" "$stage"/tests/*.jar | tr ',' '\n'
}

# The image is not compressed, since the archive compresses it better: docs/adr/0015-bundle.md
link_runtime() {
  local modules
  modules=$({
    echo jdk.incubator.vector
    required_modules
    ! $tests || test_modules
  } | sort -u | paste -sd ,)
  echo "bundle: modules=$modules"
  "$JDK/bin/jlink" --add-modules "$modules" --strip-debug --no-man-pages --no-header-files --compress zip-0 \
    --output "$stage/runtime" >>"$log" 2>&1 || fail "jlink failed: log=$log"
}

commit() {
  local id
  id=$(git -C "$root" rev-parse HEAD 2>/dev/null) || id=unknown
  [[ $id == unknown || -z $(git -C "$root" status --porcelain -uno) ]] || id+=-dirty
  printf '%s\n' "$id"
}

pack() {
  local archive=$1
  mkdir -p -- "$output"
  tar -C "$work/bundle" --sort=name --owner=0 --group=0 --numeric-owner --mtime='2026-01-01 00:00Z' \
    -cf - "$name" | xz -T0 -6 >"$output/$archive.next"
  mv -- "$output/$archive.next" "$output/$archive"
  echo "bundle: file=$output/$archive, bytes=$(stat -c %s -- "$output/$archive")," \
    "unpackedMiB=$(du -sm -- "$stage" | cut -f 1)"
}

tests=false
output=$root/.bundle
while (($#)); do
  case $1 in
    --tests) tests=true ;;
    -*)
      sed -n 's/^#   //p' "${BASH_SOURCE[0]}"
      exit 2
      ;;
    *) output=$1 ;;
  esac
  shift
done
command -v xz >/dev/null 2>&1 || fail "no xz found: 'apt-get install xz-utils'"

find_jdk
"$root/crossdock" --version >/dev/null
: >"$log"
! $tests || build_tests

version=$(basename -- "$dist"/lib/crossdock-cli-*.jar .jar)
name=crossdock-${version#crossdock-cli-}
stage=$work/bundle/$name
rm -rf -- "$work/bundle"
mkdir -p -- "$stage/bin" "$stage/lib"
cp -- "$dist"/lib/*.jar "$stage/lib/"
install -m 755 -- "$root/tools/bundle/crossdock" "$stage/bin/"
cp -- "$root/LICENSE" "$stage/"
{
  cat -- "$root/tools/jvm.options"
  echo "-Dcrossdock.commit=$(commit)"
} >"$stage/jvm.options"
suffix=
if $tests; then
  add_tests
  suffix=-tests
fi
link_runtime
pack "$name-linux-$(uname -m)$suffix.tar.xz"
