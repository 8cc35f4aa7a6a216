#!/bin/sh
# Shows xemu at work on ARM64 programs from Debian: tools/demo.sh XEMU
set -eu

xemu=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$here/..")/build/sysroot-arm64
"$here/sysroot.sh" arm64 busybox-static bash coreutils grep sed gawk python3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

failed=
# show EXPECTED COMMAND...: runs it under xemu; EXPECTED must be one of the lines it prints.
show() {
    expected=$1
    shift
    printf '\n$ xemu'
    printf ' %s' "$@" | sed "s,$root,\$ROOT,g"
    printf '\n'
    if ! "$xemu" "$@" >out 2>&1 || ! grep -qxF -- "$expected" out; then
        failed=yes
        echo "(failed, expected: $expected)"
    fi
    cat out
}

cat >primes.sh <<'END'
seq 2 60 | while read -r n; do factor "$n"; done |
    grep -E '^[0-9]+: [0-9]+$' | cut -d: -f1 | sort -n | paste -sd' ' | sed 's/^/primes: /'
END
cat >demo.py <<'END'
import hashlib, json, platform
text = json.dumps({"machine": platform.machine(), "pi": round(sum((-1) ** k / (2 * k + 1) for k in range(100000)) * 4, 4)})
print(text)
print("sha256:", hashlib.sha256(text.encode()).hexdigest())
END

echo 'Programs for ARM64, run on' "$(uname -m)" 'by xemu:'
show aarch64 "$root/bin/busybox" uname -m
show aarch64 -L "$root" /bin/uname -m
show 'primes: 2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59' -L "$root" /bin/bash primes.sh
show '{"machine": "aarch64", "pi": 3.1416}' -L "$root" /usr/bin/python3 demo.py

cat <<END

These were busybox (static), bash with coreutils, grep and sed, and Python, from Debian's packages for ARM64.
They are in ROOT=$root

Your own program:
  $xemu ./program                      if it is static
  $xemu -L DIRECTORY ./program         if it needs libraries: DIRECTORY is the root of an ARM64 system,
      for example $root
  tools/sysroot.sh arm64 PACKAGE...    fetches more Debian packages into that directory
  $xemu --help                         lists all options
END
[ -z "$failed" ] || { echo 'Something failed: see above.' >&2; exit 1; }
