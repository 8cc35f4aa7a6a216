#!/bin/bash
# Real programs: CPU time (user and system) natively, under xemu and under qemu-user, and the ratios. The native
# side runs in the amd64 sysroot; both sysroots are fetched.
#
# qemu-user needs binfmt_misc for what a program executes, one of its own (Linux 6.7); without that its column is "-".
#
#   benchmarks/real.sh [-n RUNS] [-x XEMU] [-q QEMU] [NAME...]
cd "$(dirname "$0")/.." || exit 1
runs=3 xemu=$PWD/build/rel/xemu qemu=qemu-aarch64
while getopts n:x:q: option; do
    case $option in
    n) runs=$OPTARG ;;
    x) xemu=$OPTARG ;;
    q) qemu=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
packages=$(sed -n 's/^@packages //p' benchmarks/real.tbl)
for arch in arm64 amd64; do
    # shellcheck disable=SC2086 # a list of words
    [ "$REAL_NAMESPACE" ] || tools/sysroot.sh $arch dash coreutils $packages || exit 1
done

# Namespaces of its own: the native side's root gets the devices, and what qemu-user executes goes to qemu-user.
. tests/lib/namespace.sh
if [ -z "$REAL_NAMESPACE" ]; then
    in_namespace env -i REAL_NAMESPACE=1 HOME="$HOME" PATH="$PATH" "$PWD/benchmarks/real.sh" -n "$runs" -x "$xemu" -q "$qemu" "$@"
    exit
fi
for directory in dev proc; do
    mkdir -p "build/sysroot-amd64/$directory" && mount --rbind "/$directory" "build/sysroot-amd64/$directory" || exit 1
done
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
{ mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
    echo ":qemu:M::$magic:$mask:$(command -v "$qemu"):" >/proc/sys/fs/binfmt_misc/register; } 2>/dev/null || qemu=none

scratch=$(mktemp -d /tmp/xemu-bench-XXXXXX)
mkdir -p "build/sysroot-amd64$scratch"
trap 'rm -rf "$scratch" "build/sysroot-amd64$scratch"' EXIT
root=$PWD/build/sysroot-arm64
sh=$root/bin/sh path=PATH=$root/usr/bin:$root/bin:$root/usr/lib/jvm/java-17-openjdk-arm64/bin

# Milliseconds of CPU time of a command, the median of all runs; 0 where it cannot be run or its output is another than the
# native side's, which comes first.
cpu_time() {
    output=$("$@" 2>&1) || { echo 0; return; }
    [ -s "$scratch/expected" ] || printf '%s\n' "$output" >"$scratch/expected"
    [ "$output" = "$(cat "$scratch/expected")" ] || { echo 0; return; }
    for ((run = 0; run < runs; run++)); do
        TIMEFORMAT='%U %S'
        { time "$@" >/dev/null 2>&1; } 2>&1
    done | awk '{ print ($1 + $2) * 1000 }' | sort -n | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'
}

printf '%-16s %8s %8s %8s %9s %9s %9s\n' program native xemu qemu xemu/nat qemu/nat qemu/xemu
while IFS= read -r line; do
    name=${line%%: *} command=${line#*: }
    case $line in '#'* | '@'* | '') continue ;; esac
    [ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
    rm -f "$scratch/expected"
    n=$(cpu_time chroot build/sysroot-amd64 /bin/sh -c "cd $scratch && PATH=/usr/bin:/bin:/usr/lib/jvm/java-17-openjdk-amd64/bin; $command")
    x=$(cd "$scratch" && cpu_time "$xemu" -L "$root" "$sh" -c "$path; $command")
    q=$(cd "$scratch" && QEMU_LD_PREFIX=$root cpu_time "$qemu" "$sh" -c "$path; $command")
    printf '%s %s %s %s\n' "$name" "$n" "$x" "$q"
done <benchmarks/real.tbl | awk '
    function ratio(a, b) { return a && b ? sprintf("%.2f", a / b) : "-" }
    {
        printf "%-16s %8.0f %8.0f %8s %9s %9s %9s\n", $1, $2, $3, $4 ? sprintf("%.0f", $4) : "-",
            ratio($3, $2), ratio($4, $2), ratio($4, $3)
        fflush()
        if ($2 && $3) { a += log($3 / $2); c++ }
    }
    END { if (c) printf "%-43s %9.2f\n", "geometric mean", exp(a / c) }'
