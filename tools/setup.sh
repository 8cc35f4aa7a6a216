#!/bin/sh
# Installs the Debian packages that xemu needs and that this machine lacks:
#
#   tools/setup.sh demo|test|bench|long|containers|lab...
#
# Asks for root (sudo) only if something is missing.
set -eu

# package                  for            why
packages() {
    cat <<'END'
gcc                        demo           compiles xemu
libc6-dev                  demo           the C library's headers, and its static form for xemu-static
libelf-dev                 demo           libelf: reads ELF files in the loader
zlib1g-dev                 demo           libelf needs it
libjansson-dev             demo           JSON: container images for xemu run-root, results of the lab
libcapstone-dev            demo           disassembles for -d in_asm
libcriterion-dev           test           runs the unit tests
gcc-aarch64-linux-gnu      test,bench     compiles test programs and benchmarks for ARM64
libc6-dev-arm64-cross      test,bench     their C library
qemu-user                  test,bench     an independent ARM64 to compare with
llvm-NEWEST                test           an independent disassembler: which instruction words are allocated?
mount                      test           gives the native side of the comparisons with real programs a /proc
libcap2-bin                test           setcap: programs with capabilities under binfmt_misc
clang                      long           libFuzzer, for the fuzzers
debootstrap                containers     makes the ARM64 system that runs in the containers
bubblewrap                 containers,lab a container
systemd-container          containers     systemd-nspawn
lxc                        containers,lab LXC
runc                       containers,lab what docker runs its containers with
crun                       containers     what podman runs its containers with
podman                     containers,lab podman, with and without root
uidmap                     containers     newuidmap: several users for run-root and rootless podman
docker.io                  containers     docker
dpkg-dev                   containers     which libraries the Debian packages depend on
lintian                    containers     what is wrong with the Debian packages
docker-compose             containers     docker compose
jq                         test           JSON that xemu writes is JSON
gdb-multiarch              test           reads the core files of ARM64 programs
libxml2-utils              test           xmllint: XML that xemu writes is XML
cpio                       lab            makes the file system of virtual machines
qemu-system-x86            lab            a virtual machine, by KVM and emulated
qemu-system-arm            lab            an emulated ARM64 machine
seabios                    lab            the virtual machine's firmware
user-mode-linux            lab            a kernel as a process
runsc                      lab            gVisor, a kernel in user space
g++                        lab            compiles what runs programs by dynarmic
libdynarmic-dev            lab            dynarmic, another recompiler of ARM64
util-linux                 lab            unshare: gives Debian's programs a /proc
END
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "tools/setup.sh: not root, and there is no sudo; please run as root: $*" >&2
        exit 1
    fi
}

update() {
    [ -n "${updated-}" ] || as_root apt-get -q update
    updated=yes
}

# Debian 12 receives new LLVM versions; the newest knows the most instructions.
newest_llvm() { apt-cache pkgnames llvm- | grep -x 'llvm-[0-9]*' | sort -t- -k2 -n | tail -n 1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=
for set in "$@"; do
    [ "$set" = demo ] || set="demo|$set"
    for package in $(packages | awk -v set="$set" '$2 ~ set { print $1 }'); do
        if [ "$package" = llvm-NEWEST ]; then
            package=$(newest_llvm)
            [ -n "$package" ] || { update && package=$(newest_llvm); }
        fi
        installed "$package" || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

echo "tools/setup.sh: installing$missing"
# shellcheck disable=SC2086 # a list of words
install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing; }
[ -n "${updated-}" ] || ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || update
install || { update && install; }
