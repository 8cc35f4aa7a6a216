#!/bin/bash
# A container by LXC.
set -u
cd "$(dirname "$0")/../../.." || exit 1
missing() { echo "lab:missing $*"; exit 3; }
command -v lxc-start >/dev/null || missing "lxc-start is not installed (Debian's package lxc)"
[ "$(id -u)" = 0 ] || missing "LXC needs root here"
root=$PWD/build/sysroot-amd64
[ -d "$root" ] || missing "build/sysroot-amd64 is not there"
mkdir -p "$root/lab"
state=$(mktemp -d "${TMPDIR:-/tmp}/xemu-lab-XXXXXX")
trap 'rm -rf "$state"' EXIT
mkdir "$state/lab"
cat >"$state/lab/config" <<CONF
lxc.rootfs.path = dir:$root
lxc.uts.name = lab
lxc.net.0.type = none
lxc.mount.auto = proc:mixed
lxc.autodev = 1
lxc.console.path = none
lxc.apparmor.profile = unconfined
lxc.mount.entry = $PWD/build/lab/amd64 lab none bind,ro 0 0
CONF
lxc-start -P "$state" -n lab -F -- /lab/agent
