#!/bin/sh
# Fetches Debian packages of an architecture, with everything they depend on, and unpacks them into a tree:
#
#   tools/sysroot.sh arm64|amd64 PACKAGE...     into build/sysroot-ARCH
#
# Uses the mirrors and keys that /etc/apt names, but lists, cache and package state of its own below build/, so
# that the system's packages are neither asked nor changed. Needs no root. What was fetched is kept.
set -eu

arch=$1
shift
cd "$(dirname "$0")/.."
root=$PWD/build/sysroot-$arch
state=$PWD/build/packages/$arch
mkdir -p "$root" "$state/lists/partial" "$state/archives/partial"
touch "$state/status" "$root.asked" "$root.unpacked"

missing=
for package; do
    grep -qxF "$package" "$root.asked" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# Read after the system's configuration, whose hooks are for the system's own state.
cat >"$state/apt.conf" <<END
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Cache::archives "$state/archives";
Dir::Log "$state";
END

apt() { apt-get -q -c "$state/apt.conf" "$@" >"$state/log" 2>&1; }
# shellcheck disable=SC2086 # a list of words
download() { apt install --download-only -y $missing; }

echo "fetching Debian $arch packages:$missing"
# The lists are fetched once, and anew when they turn out to be too old.
listed() { ls "$state"/lists/*Packages* >/dev/null 2>&1; }
if ! { listed && download; } && ! { apt update && download; }; then
    echo "tools/sysroot.sh: apt could not fetch them:" >&2
    tail -n 5 "$state/log" >&2
    exit 1
fi

# Debian's directories are merged into /usr; packages still ship some files under the old names.
for directory in bin sbin lib lib64; do
    mkdir -p "$root/usr/$directory"
    [ -e "$root/$directory" ] || ln -s "usr/$directory" "$root/$directory"
done
for deb in "$state"/archives/*.deb; do
    grep -qxF "${deb##*/}" "$root.unpacked" && continue
    dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --keep-directory-symlink -C "$root"
    echo "${deb##*/}" >>"$root.unpacked"
done

# Under -L an absolute link would lead out of the tree.
find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$root$(readlink "$link")" "$link"
done

# What base packages make when they are installed.
grep -qs '^root:' "$root/etc/passwd" || echo 'root:x:0:0:root:/root:/bin/bash' >>"$root/etc/passwd"
grep -qs '^nobody:' "$root/etc/passwd" || echo 'nobody:x:65534:65534:nobody:/:/usr/sbin/nologin' >>"$root/etc/passwd"
[ -e "$root/etc/group" ] || printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
mkdir -p "$root/tmp" "$root/dev" "$root/proc"
# shellcheck disable=SC2086
printf '%s\n' $missing >>"$root.asked"
