#!/bin/sh
# Fetches Debian packages of an architecture, with everything they depend on, and unpacks them into a tree:
#
#   tools/sysroot.sh arm64|amd64 PACKAGE...     into build/sysroot-ARCH
#
# Uses the mirrors and keys that /etc/apt names. Needs no root. What was fetched is kept. Of a package that cannot be had
# it says "missing PACKAGE: WHY", goes on with the others and ends with status 1.
set -eu

arch=$1
shift
cd "$(dirname "$0")/.."
. tools/private_apt.sh
root=$PWD/build/sysroot-$arch
state=$PWD/build/packages/$arch
mkdir -p "$root"
touch "$root.asked" "$root.unpacked"

# A list may say more than the tree has, where one was copied without the other: each package has its documentation.
is_there() { [ -e "$root/usr/share/doc/$1" ] || [ -L "$root/usr/share/doc/$1" ]; }
# note LIST LINE...: never into the same file, which the list of another copy of the tree may be, too.
note() {
    list=$1
    shift
    { cat "$list" && printf '%s\n' "$@"; } | sort -u >"$list.new"
    mv "$list.new" "$list"
}

missing= status=0
for package; do
    grep -qxF "$package" "$root.asked" && is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

private_apt "$state" "#clear APT::Architectures;
APT::Architecture \"$arch\";
APT::Architectures { \"$arch\"; };"
download() { apt install --download-only -y "$@"; }

echo "fetching Debian $arch packages:$missing"
# The lists are fetched once, and anew when they turn out to be too old.
listed() { ls "$state"/lists/*Packages* >/dev/null 2>&1; }
# shellcheck disable=SC2086 # a list of words
if ! { listed && download $missing; } && ! { apt update && download $missing; }; then
    wanted=$missing missing=
    for package in $wanted; do
        if download "$package"; then
            missing="$missing $package"
        else
            echo "missing $package: $(grep -m 1 '^E: ' "$state/log" || tail -n 1 "$state/log")"
            status=1
        fi
    done
fi
[ -n "$missing" ] || exit "$status"

# Debian's directories are merged into /usr; packages still ship some files under the old names.
for directory in bin sbin lib lib64; do
    mkdir -p "$root/usr/$directory"
    [ -e "$root/$directory" ] || ln -s "usr/$directory" "$root/$directory"
done
for deb in "$state"/archives/*.deb; do
    name=${deb##*/}
    grep -qxF "$name" "$root.unpacked" && is_there "${name%%_*}" && continue
    dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --keep-directory-symlink -C "$root"
    note "$root.unpacked" "$name"
done

# Under -L an absolute link would lead out of the tree.
find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$root$(readlink "$link")" "$link"
done

# What base packages make when they are installed.
mkdir -p "$root/tmp" "$root/dev" "$root/proc" "$root/etc"
grep -qs '^root:' "$root/etc/passwd" || echo 'root:x:0:0:root:/root:/bin/bash' >>"$root/etc/passwd"
grep -qs '^nobody:' "$root/etc/passwd" || echo 'nobody:x:65534:65534:nobody:/:/usr/sbin/nologin' >>"$root/etc/passwd"
[ -e "$root/etc/group" ] || printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
# shellcheck disable=SC2086
note "$root.asked" $missing
exit "$status"
