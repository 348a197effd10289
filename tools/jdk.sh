# shellcheck shell=bash disable=SC2034
# Sourced by ./crossdock and ./check: finds the JDK that the build and the launcher use.

readonly JDK_FEATURE=25

# is_jdk HOME: true if HOME is a JDK of the right feature release; then sets JDK and JDK_VERSION. Starts no process.
is_jdk() {
  local key value version='' runtime=''
  [[ -x $1/bin/java && -x $1/bin/javac && -r $1/release ]] || return 1
  while IFS='=' read -r key value; do
    case $key in
      JAVA_VERSION) version=${value//\"/} ;;
      JAVA_RUNTIME_VERSION) runtime=${value//\"/} ;;
    esac
  done <"$1/release"
  [[ $version == "$JDK_FEATURE" || $version == "$JDK_FEATURE"[.+-]* ]] || return 1
  JDK=$1
  JDK_VERSION=${runtime:-$version}
}

# find_jdk: sets JDK and JDK_VERSION from the first match, or explains what is missing and returns 4.
find_jdk() {
  local candidate on_path
  if [[ -n ${CROSSDOCK_JAVA_HOME:-} ]]; then
    is_jdk "$CROSSDOCK_JAVA_HOME" && return 0
    echo "crossdock: CROSSDOCK_JAVA_HOME is not a JDK $JDK_FEATURE: path=$CROSSDOCK_JAVA_HOME" >&2
    return 4
  fi
  on_path=$(command -v java 2>/dev/null) && on_path=$(readlink -f -- "$on_path")
  for candidate in "${JAVA_HOME:-}" /usr/lib/jvm/*"$JDK_FEATURE"* /opt/*"$JDK_FEATURE"* \
    "${HOME:-}"/.sdkman/candidates/java/"$JDK_FEATURE"* "${HOME:-}"/.jdks/*"$JDK_FEATURE"* \
    "${on_path%/bin/java}"; do
    [[ -n $candidate ]] && is_jdk "$candidate" && return 0
  done
  cat >&2 <<MESSAGE
crossdock: no JDK $JDK_FEATURE found
  looked in: CROSSDOCK_JAVA_HOME, JAVA_HOME, /usr/lib/jvm, /opt, ~/.sdkman, ~/.jdks, java on PATH
  install one (Eclipse Temurin $JDK_FEATURE, or 'apt-get install openjdk-$JDK_FEATURE-jdk-headless'
  where the distribution has it), or set CROSSDOCK_JAVA_HOME to its folder
MESSAGE
  return 4
}

# find_maven: explains what is missing and returns 4 if there is no Maven.
find_maven() {
  command -v mvn >/dev/null 2>&1 && return 0
  echo "crossdock: no Maven found: the build needs 'mvn' 3.8 or newer on PATH ('apt-get install maven')" >&2
  return 4
}

# run_maven ARGS...: Maven on the JDK found, quiet about its own libraries' use of old JDK calls.
run_maven() {
  JAVA_HOME=$JDK MAVEN_OPTS="${MAVEN_OPTS:-} --sun-misc-unsafe-memory-access=allow" \
    mvn --batch-mode --no-transfer-progress "$@"
}
