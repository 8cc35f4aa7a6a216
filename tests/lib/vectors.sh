# What the quick and the long suite of vectors share.
MACHINE=build/vectors/machine
QEMU="${QEMU:-qemu-aarch64} -cpu max,pauth=off"
CPU=--cpu=max-pauth
ENGINES="interp ir jit"

# report NAME ARGUMENTS...: runs the vectors tool; its last line is the summary.
report() {
    name=$1
    shift
    if out=$("$BUILD/tools/vectors" "$@"); then
        echo "ok $name: $(echo "$out" | tail -n 1)"
    else
        echo "$out" >&2
        first=$(echo "$out" | head -n 3 | cut -c -400 | tr '\n' ' ')
        echo "not ok $name: $(echo "$out" | tail -n 1): $first"
    fi
}

# compare_with_qemu NAME ARGUMENTS... -- [ENGINE]: the arguments, then qemu and, if named, xemu.
compare_with_qemu() {
    if ! command -v qemu-aarch64 >/dev/null; then
        echo "skip $1: there is no qemu-aarch64"
        return
    fi
    for last; do :; done
    if [ "$last" = -- ]; then
        report "$@" $QEMU $MACHINE
    else
        name=$1 arguments=
        shift
        while [ "$1" != -- ]; do
            arguments="$arguments $1"
            shift
        done
        report "$name" $arguments -- $QEMU $MACHINE -- "$XEMU" $CPU "--engine=$last" $MACHINE
    fi
}
