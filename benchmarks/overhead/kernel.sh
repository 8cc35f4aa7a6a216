#!/bin/bash
# Fetches Debian's kernel for virtual machines and prints its path: kernel.sh amd64|arm64. Nothing is installed: the
# package is unpacked and the kernel taken out of it. Needs what tools/sysroot.sh has set up for the architecture.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
arch=$1 kernel=$PWD/build/lab/kernel-$1
if [ ! -s "$kernel" ]; then
    conf=$PWD/build/packages/$arch/apt.conf
    [ -r "$conf" ] || tools/sysroot.sh "$arch" dash coreutils >&2
    package=$(apt-cache -c "$conf" depends "linux-image-cloud-$arch" | sed -n 's/ *Depends: //p' | head -n 1)
    [ -n "$package" ] || { echo "Debian's lists have no linux-image-cloud-$arch" >&2; exit 1; }
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && timeout 600 apt-get -q -c "$conf" download "$package") >"$scratch/log" 2>&1 ||
        { tail -n 1 "$scratch/log" >&2; exit 1; }
    mkdir -p build/lab
    dpkg-deb --fsys-tarfile "$scratch/$package"_*.deb | tar -x -C "$scratch" --wildcards './boot/vmlinuz-*'
    cp "$scratch"/boot/vmlinuz-* "$kernel.part"
    mv "$kernel.part" "$kernel"
fi
echo "$kernel"
