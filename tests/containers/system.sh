# Debian systems to run in containers: . tests/containers/system.sh
#
# build/containers holds, and keeps for the next run: stage1-ARCH (debootstrap's first stage), root-ARCH (a system with
# everything installed, root-ARCH.ready when it is complete), cache (packages) and times (CPU seconds, user and
# system, of each step on both architectures).
#
# ARM64 systems are installed in a user namespace in which xemu-static is registered, amd64 ones in the same way.

systems=$PWD/build/containers
packages='python3 gcc libc6-dev nodejs'
more_packages='procps sudo tini python3-pip python3-dev python3-setuptools python3-wheel file ca-certificates'

# The mirror that this machine's apt uses for its Debian release.
mirror() { apt-get indextargets --format '$(SITE) $(RELEASE)' | awk '$2 == "bookworm" { print $1; exit }'; }

# measured NAME COMMAND...: prints what the command prints, adds the line "NAME user system" to $times; its status
measured() {
    measured=$1
    shift
    result=0
    { TIMEFORMAT='%U %S' && time "$@" >&3 2>&4; } 3>&1 4>&2 2>"$times.now" || result=$?
    echo "$measured $(tail -n 1 "$times.now")" >>"$times"
    return $result
}

# cpu NAME: seconds, user and system
cpu() { awk -v name="$1" '$1 == name { sum = $2 + $3 } END { printf "%.1f", sum }' "$systems/times"; }

first_stage() {
    [ ! -e "$systems/stage1-$1.ready" ] || return 0
    rm -rf "${systems:?}/stage1-$1"
    mkdir -p "$systems/cache"
    timeout 1200 debootstrap --arch="$1" --foreign --variant=minbase --cache-dir="$systems/cache" bookworm \
        "$systems/stage1-$1" "$(mirror)" && touch "$systems/stage1-$1.ready"
}

# in_root ROOT COMMAND...: with /proc, /sys and a minimal /dev
in_root() {
    chroot_root=$1
    shift
    chroot "$chroot_root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# Inside of a namespace: xemu is the handler of binfmt_misc.
register_privately() {
    mount -t proc none /proc
    mkdir -p "$work/misc"
    mount -t binfmt_misc none "$work/misc"
    "$XEMU-static" install --mount "$work/misc" --now >&2
}

mount_system() {
    for device in null zero full tty random urandom; do
        [ -e "$1/dev/$device" ] || touch "$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
    mkdir -p "$1/dev/shm" "$1/dev/pts"
    mount -t tmpfs -o mode=1777 none "$1/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 none "$1/dev/pts"
    ln -sf pts/ptmx "$1/dev/ptmx"
    ln -sfn /proc/self/fd "$1/dev/fd"
}

# Both are what a container looks like to debootstrap: it makes no devices.
second_stage() { container=lxc in_root "$1" container=lxc /debootstrap/debootstrap --second-stage; }

write_sources() {
    site=$(mirror)
    [ -n "$site" ] || return 1
    echo "deb $site bookworm main" >"$1/etc/apt/sources.list"
    cp -L /etc/resolv.conf "$1/etc/resolv.conf"
    printf 'Acquire::Languages "none";\nAcquire::Retries "3";\nAPT::Install-Recommends "false";\n' \
        >"$1/etc/apt/apt.conf.d/10tests"
}

# install_system ARCH: second stage, apt-get update and the installs, each measured. Inside of a namespace.
install_system() {
    root=$systems/root-$1
    times=$systems/times
    register_privately
    measured "second-stage-$1" second_stage "$root" || return 1
    [ -e "$root/proc/self" ] || mount -t proc none "$root/proc"
    mount_system "$root"
    write_sources "$root"
    measured "update-$1" in_root "$root" apt-get -q update || return 1
    # fetched before, so that only work is measured
    in_root "$root" apt-get -q -y --download-only install $packages $more_packages >&2 || return 1
    measured "install-$1" in_root "$root" apt-get -q -y install $packages || return 1
    in_root "$root" apt-get -q -y install $more_packages || return 1
    echo 'ALL ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/all"
    touch "$systems/root-$1.ready"
}

# make_system ARCH: prints a test's line
make_system() {
    [ ! -e "$systems/root-$1.ready" ] || return 0
    if ! first_stage "$1" >"$logs/debootstrap-$1.log" 2>&1; then
        echo "not ok debootstrap_$1: first stage: $(tail -n 1 "$logs/debootstrap-$1.log")"
        return 1
    fi
    rm -rf "${systems:?}/root-$1"
    cp -a "$systems/stage1-$1" "$systems/root-$1"
    if in_namespace "$0" install_system "$work" "$1" >"$logs/install-$1.log" 2>&1; then
        echo "ok debootstrap_and_install_$1"
    else
        echo "not ok debootstrap_and_install_$1: $(grep -aE '^E:|[Ee]rror' "$logs/install-$1.log" | tail -n 1)"
        return 1
    fi
}
