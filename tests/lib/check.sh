# Commands and what they must say: . tests/lib/check.sh

# check NAME STATUS PATTERN COMMAND...: the command ends with STATUS, and a line of what it prints matches the
# extended regular expression. Status 126, 127 and 2 are complaints, for which one line must be enough.
check() {
    name=$1 status=$2 pattern=$3
    shift 3
    got=0
    "$@" >out 2>&1 </dev/null || got=$?
    if [ $got != "$status" ]; then
        echo "not ok $name: status $got instead of $status: $(head -n 1 out)"
    elif ! grep -qE -- "$pattern" out; then
        echo "not ok $name: no line matches $pattern: $(head -n 1 out)"
    elif [ "$status" = 126 ] || [ "$status" = 127 ] || [ "$status" = 2 ] && [ "$(wc -l <out)" != 1 ]; then
        echo "not ok $name: it takes $(wc -l <out) lines to say: $(head -n 1 out)"
    else
        echo "ok $name"
    fi
}
