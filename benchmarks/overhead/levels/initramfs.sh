#!/bin/bash
# Makes an initramfs of the programs of an architecture, with the agent as init, and prints its path:
# initramfs.sh amd64|arm64. It has no other programs.
set -eu -o pipefail
cd "$(dirname "$0")/../../.."
programs=$PWD/build/lab/$1 image=$PWD/build/lab/initramfs-$1
exec 9>"$image.lock" # several machines may want it at once
flock 9
if [ ! -s "$image" ] || [ -n "$(find "$programs" -newer "$image" -print -quit)" ]; then
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree"/{lab,dev,proc,tmp,sys}
    cp "$programs"/* "$tree/lab/"
    cp "$programs/agent" "$tree/init"
    [ "$(id -u)" != 0 ] || mknod -m 600 "$tree/dev/console" c 5 1
    (cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$image.part"
    mv "$image.part" "$image"
fi
echo "$image"
