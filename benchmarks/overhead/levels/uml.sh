#!/bin/bash
# User-mode Linux: a kernel as a process.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
missing() { echo "lab:missing $*"; exit 3; }
command -v linux.uml >/dev/null || missing "linux.uml is not installed (Debian's package user-mode-linux)"
command -v cpio >/dev/null || missing "cpio, which makes the initramfs, is not installed"
initramfs=$("$here/initramfs.sh" amd64 2>&1 | tail -n 1)
[ -s "$initramfs" ] || missing "no initramfs: $initramfs"
TMPDIR=${TMPDIR:-/tmp} exec linux.uml mem=512M initrd="$initramfs" con=null con0=fd:0,fd:1 lab_console=/dev/tty0 quiet \
    rdinit=/init
