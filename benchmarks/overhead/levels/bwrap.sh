#!/bin/bash
# A container by bubblewrap: namespaces and nothing else.
set -u
cd "$(dirname "$0")/../../.." || exit 1
command -v bwrap >/dev/null || { echo "lab:missing bwrap is not installed (Debian's package bubblewrap)"; exit 3; }
root=build/lab/root
mkdir -p build/lab/root/lab
[ ! -d build/sysroot-amd64 ] || root=build/sysroot-amd64
mkdir -p $root/lab
exec bwrap --unshare-pid --unshare-ipc --unshare-uts --ro-bind $root / --proc /proc --dev /dev --tmpfs /tmp \
    --ro-bind build/lab/amd64 /lab --die-with-parent /lab/agent
