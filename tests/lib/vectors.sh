# What the quick and the long suite of vectors share.
MACHINE=build/vectors/machine
QEMU="${QEMU:-qemu-aarch64} -cpu max,pauth=off"
CPU=--cpu=max-pauth
# qemu 7 converts halves to integers of 32 bits, and FJCVTZS of what is flushed to zero is another question.
case $(${QEMU%% *} --version 2>/dev/null) in
*'version 7.'*) export VECTORS_WITHOUT="FEAT_FP16 FEAT_JSCVT" ;;
esac
# jit-v2 is engine jit with --host=v2, and so on.
ENGINES="interp ir jit-v2 jit-v3 jit-v4"

# engine_options ENGINE
engine_options() {
    case $1 in
    *-v?) echo "--engine=${1%-*} --host=${1#*-}" ;;
    *) echo "--engine=$1" ;;
    esac
}

# engine_missing NAME ENGINE: whether the machine cannot do it; then the test's line is printed.
engine_missing() {
    if "$XEMU" $(engine_options "$2") --version >/dev/null 2>&1; then
        return 1
    fi
    echo "skip $1: the machine has not what $2 needs"
}

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
    [ "$last" = -- ] || ! engine_missing "$1" "$last" || return 0
    if [ "$last" = -- ]; then
        report "$@" $QEMU $MACHINE
    else
        name=$1 arguments=
        shift
        while [ "$1" != -- ]; do
            arguments="$arguments $1"
            shift
        done
        report "$name" $arguments -- $QEMU $MACHINE -- "$XEMU" $CPU $(engine_options "$last") $MACHINE
    fi
}

# against_llvm NAME ARGUMENTS...: the decoder against LLVM's.
against_llvm() {
    name=$1 status=0
    shift
    out=$("$BUILD/tools/against_llvm" "$@") || status=$?
    case $status in
    0) echo "ok $name: $(echo "$out" | tail -n 1)" ;;
    77) echo "skip $name: there is no LLVM 22 or newer" ;;
    *)
        echo "$out" >&2
        echo "not ok $name: $(echo "$out" | tail -n 1): $(echo "$out" | grep -A1 '^not explained' | tail -n 1)"
        ;;
    esac
}
