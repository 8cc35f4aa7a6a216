#!/bin/bash
# A virtual machine with Debian's kernel and an initramfs made on the spot; its console is the agent's.
#   machine.sh kvm|tcg|arm64 [check]
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
missing() { echo "lab:missing $*"; exit 3; }
case $1 in
kvm | tcg) arch=amd64 qemu=qemu-system-x86_64 console=ttyS0 ;;
arm64) arch=arm64 qemu=qemu-system-aarch64 console=ttyAMA0 ;;
esac
command -v $qemu >/dev/null || missing "$qemu is not installed (Debian's package qemu-system-${qemu##*_})"
if [ "$1" = kvm ]; then
    [ -e /dev/kvm ] || missing "the machine has no /dev/kvm"
    [ -r /dev/kvm ] && [ -w /dev/kvm ] || missing "/dev/kvm may not be opened by this user"
    ! grep -qw hypervisor /proc/cpuinfo || # is quoted if it does not come up
        echo "this machine is a virtual one itself, whose hypervisor may have to interpret another one's kernel" >&2
fi
command -v cpio >/dev/null || missing "cpio, which makes the initramfs, is not installed"
kernel=$("$here/../kernel.sh" $arch 2>&1 | tail -n 1)
[ -s "$kernel" ] || missing "no kernel: $kernel"
initramfs=$("$here/initramfs.sh" $arch 2>&1 | tail -n 1)
[ -s "$initramfs" ] || missing "no initramfs: $initramfs"
case $1 in
kvm) machine="-machine q35,accel=kvm -cpu host,-arch-capabilities" ;;
tcg) machine="-machine q35,accel=tcg -cpu max" ;;
arm64) machine="-machine virt,accel=tcg -cpu max" ;;
esac
# shellcheck disable=SC2086 # lists of words
exec $qemu $machine -m 1024 -smp 1 -nodefaults -no-user-config -no-reboot -display none -serial stdio -monitor none \
    -kernel "$kernel" -initrd "$initramfs" \
    -append "console=$console lab_console=/dev/$console quiet loglevel=1 panic=-1 mitigations=off rdinit=/init"
