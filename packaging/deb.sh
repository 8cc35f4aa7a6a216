#!/bin/sh
# Makes the Debian packages xemu and xemu-static: packaging/deb.sh BUILD_TREE VERSION. Root is not needed. They are left
# in build/deb and looked over by lintian, if it is there.
set -eu
build=$1 version=$2
cd "$(dirname "$0")/.."
out=$PWD/build/deb
rm -rf "$out"
mkdir -p "$out"
umask 022
# Who builds packages for others says who that is.
maintainer="${DEBFULLNAME:-xemu} <${DEBEMAIL:-xemu@localhost.localdomain}>"
suppressed=initial-upload-closes-no-bugs
[ -n "${DEBEMAIL-}" ] || suppressed=$suppressed,bogus-mail-host,bogus-mail-host-in-debian-changelog

# stage PACKAGE: what every package has
stage() {
    tree=$out/$1
    doc=$tree/usr/share/doc/$1
    mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/share/man/man1" "$doc"
    install -s -m 755 "$build/$1" "$tree/usr/bin/$1"
    "$build/xemu" --help=man | sed "s/^\.TH XEMU/.TH $(echo "$1" | tr a-z A-Z)/" | gzip -9n >"$tree/usr/share/man/man1/$1.1.gz"
    {
        echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
        echo 'Upstream-Name: xemu'
        echo
        echo 'Files: *'
        echo "Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE | head -n 1)"
        echo 'License: Expat'
        sed -n '/^Permission/,/SOFTWARE\.$/p' LICENSE | sed 's/^$/./; s/^/ /'
    } >"$doc/copyright"
    printf '%s (%s) unstable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n' \
        "$1" "$version" "$version" "$maintainer" "$(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")" |
        gzip -9n >"$doc/changelog.gz"
}

# control PACKAGE DEPENDS DESCRIPTION
control() {
    printf '%s\n' "Package: $1" "Version: $version" 'Architecture: amd64' 'Section: otherosfs' 'Priority: optional' \
        "Maintainer: $maintainer" ${2:+"Depends: $2"} \
        "Installed-Size: $(du -sk "$tree/usr" | cut -f1)" "Description: $3" >"$tree/DEBIAN/control"
    cat >>"$tree/DEBIAN/control"
    (cd "$tree" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$out" >/dev/null
}

# override PACKAGE TAG...: what lintian says of the program, and is meant to be so
override() {
    program=$1
    shift
    mkdir -p "$tree/usr/share/lintian/overrides"
    printf "$program: %s [usr/bin/$program]\\n" "$@" >"$tree/usr/share/lintian/overrides/$program"
}

stage xemu
mkdir -p "$out/debian" "$tree/usr/share/bash-completion/completions" "$tree/usr/share/zsh/vendor-completions" \
    "$tree/usr/share/fish/vendor_completions.d"
override xemu 'embedded-library zlib' # with libelf in the program itself: it starts faster
"$build/xemu" --help=bash >"$tree/usr/share/bash-completion/completions/xemu"
"$build/xemu" --help=zsh >"$tree/usr/share/zsh/vendor-completions/_xemu"
"$build/xemu" --help=fish >"$tree/usr/share/fish/vendor_completions.d/xemu.fish"
echo 'Source: xemu' >"$out/debian/control"
depends=$(cd "$out" && dpkg-shlibdeps -O "$tree/usr/bin/xemu" | sed 's/^shlibs:Depends=//')
control xemu "$depends" 'runs ARM64 Linux programs on x86-64' <<'END'
 xemu virtualises the instructions of a Linux program for ARM64 (AArch64) and
 hands its system calls to the running kernel. Programs that the program
 starts run under xemu too. For containers see xemu-static.
END

stage xemu-static
mkdir -p "$tree/usr/lib/binfmt.d" "$tree/usr/share/binfmts" "$out/files/etc/binfmt.d" \
    "$out/files/usr/share/binfmts"
"$build/xemu-static" install --root "$out/files" --flags=POCF >/dev/null
for file in etc/binfmt.d/xemu-aarch64.conf usr/share/binfmts/xemu-aarch64; do
    sed "s,:$(realpath "$build")/xemu-static:,:/usr/bin/xemu-static:,; s,^interpreter .*,interpreter /usr/bin/xemu-static,
        s,^package .*,package xemu-static,; s,; written by xemu install,," "$out/files/$file" >"$out/${file##*/}"
done
mv "$out/xemu-aarch64.conf" "$tree/usr/lib/binfmt.d/"
mv "$out/xemu-aarch64" "$tree/usr/share/binfmts/"
override xemu-static statically-linked-binary shared-library-lacks-prerequisites 'embedded-library zlib'
install -m 755 packaging/postinst packaging/prerm "$tree/DEBIAN/"
control xemu-static '' 'runs ARM64 Linux programs in containers and chroots' <<'END'
 xemu in one file that needs no others, registered with the kernel
 (binfmt_misc) while this package is installed: ARM64 programs run by
 themselves, also in containers (docker, podman, LXC) and chroots.
END
rm -rf "$out/debian" "$out/files" "$out/xemu" "$out/xemu-static"
ls "$out"
! command -v lintian >/dev/null || lintian --fail-on error,warning --suppress-tags "$suppressed" "$out"/*.deb
