# Shell functions that suites share: . tests/lib/functions.sh

# record DIRECTORY COMMAND...: runs it and leaves out, err and status there, as compare wants them.
record() {
    recorded=$1
    shift
    status=0
    "$@" >"$recorded/out" 2>"$recorded/err" </dev/null || status=$?
    echo "$status" >"$recorded/status"
}

excerpt() { grep -a '^[<>]' | head -n 4 | cut -c -120 | tr '\n' ' '; }

# compare NAME EXPECTED ACTUAL: prints the test's line; EXPECTED and ACTUAL are directories that record filled.
compare() {
    for part in status out err; do
        if ! cmp -s "$2/$part" "$3/$part"; then
            line=$(diff -a "$2/$part" "$3/$part" | excerpt)
            [ $part = err ] || line="$line$(sed 's/^/| > /;q' "$3/err" | cut -c -120)"
            echo "not ok $1: $part differs (< expected, > xemu): $line"
            return
        fi
    done
    echo "ok $1"
}
