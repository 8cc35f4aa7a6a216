#!/bin/sh
# Runs test suites: tests/run.sh MODE [SUITE...]      ("long": the long ones; "with-containers": real containers)
#
# A suite is an executable tests/SUITE/run (long: tests/SUITE/run-long). It finds the emulator in $XEMU and the
# build tree in $BUILD and prints a line for each test, everything else goes to stderr:
#
#   ok NAME            not ok NAME: what went wrong            skip NAME: why
#
# Shown are the lines that are not ok, a line for each suite, and the totals at the end.
set -eu

cd "$(dirname "$0")/.."
mode=$1
shift
export BUILD="$PWD/build/$mode" MODE="$mode"
export XEMU="${XEMU:-$BUILD/xemu}"

# shellcheck disable=SC3045 # dash and bash have it
ulimit -S -c 0
logs=$BUILD/test-logs
mkdir -p "$logs"

runner=run
case ${1-} in
long) runner=run-long ;;
with-containers) runner=run-containers ;;
esac
[ "$runner" = run ] || shift
if [ $# = 0 ]; then
    # The quick ones first: who broke something wants to know soon.
    for suite in unit cli vectors guest real $(cd tests && echo */); do
        case " $* " in *" ${suite%/} "*) continue ;; esac
        [ ! -x "tests/${suite%/}/$runner" ] || set -- "$@" "${suite%/}"
    done
fi

# Programs under test must not see what the one who runs the tests has set.
for variable in $(env | sed -n 's/^\(XEMU_[A-Z_]*\)=.*/\1/p'); do
    [ "$variable" = XEMU_ENGINE ] || unset "$variable"
done

# Code that a suite compiled is there for its later tests, nothing older.
export XEMU_CACHE_DIR="$BUILD/test-cache"
rm -rf "$XEMU_CACHE_DIR"
mkdir -m 700 "$XEMU_CACHE_DIR"

passed=0 failed=0 skipped=0
for suite in "$@"; do
    status=0 start=$(date +%s)
    # Lines are shown as they come; a file counts them.
    {
        "tests/$suite/$runner" 2>"$logs/$suite.err" </dev/null || status=$?
        [ $status = 0 ] || echo "not ok $suite suite: it ended with status $status, see $logs/$suite.err"
    } | tee "$logs/$suite" | grep --line-buffered -v '^ok ' || true
    ok=$(grep -c '^ok ' "$logs/$suite") || true
    bad=$(grep -c '^not ok ' "$logs/$suite") || true
    skip=$(grep -c '^skip ' "$logs/$suite") || true
    echo "$suite: $ok passed, $bad failed, $skip skipped ($(($(date +%s) - start)) s)"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
