#!/bin/bash
# A container by podman, of a directory instead of an image.
set -u
cd "$(dirname "$0")/../../.." || exit 1
missing() { echo "lab:missing $*"; exit 3; }
command -v podman >/dev/null || missing "podman is not installed"
root=$PWD/build/sysroot-amd64
[ -d "$root" ] || missing "build/sysroot-amd64 is not there"
mkdir -p "$root/lab"
state=$(mktemp -d "${TMPDIR:-/tmp}/xemu-lab-XXXXXX") # what an old one has noted of paths does not matter
trap 'rm -rf "$state"' EXIT
podman --root "$state/root" --runroot "$state/run" --storage-driver vfs --cgroup-manager cgroupfs \
    --events-backend none --runtime runc run --rm -i --network none --log-driver none --ulimit host \
    -v "$PWD/build/lab/amd64:/lab:ro" --rootfs "$root" /lab/agent
