# Container engines with the ARM64 system: . tests/containers/engines.sh
#
# Each test runs the same few commands. The engines of the first half start in a user namespace in which xemu is
# registered, those of the second half need the machine's binfmt_misc.

payload='uname -m; ps -e >/dev/null && echo ps works; python3 -c "print(6 * 7)"; sudo -n id -u'
expected='^aarch64 ps works 42 0 $'

# The payload's output in one line.
one_line() { "$@" | tr '\r\n' '  '; }

# engine NAME COMMAND...: the command runs the payload
engine() {
    engine_name=$1
    shift
    if ! command -v "${program:-$1}" >/dev/null; then
        echo "skip $engine_name: there is no ${program:-$1} (tools/setup.sh containers)"
        return
    fi
    limit=120 passes "$engine_name" "$expected" bash -c 'set -o pipefail; "$@" | tr "\r\n" "  "' engine "$@"
}

# ---- in a namespace ----

test_in_namespace() {
    register_privately
    root=$systems/root-arm64
    engine chroot chroot "$root" sh -c "mount -t proc none /proc 2>/dev/null; $payload"
    engine unshare unshare --pid --fork --root="$root" --mount-proc sh -c "$payload"
    engine bubblewrap bwrap --bind "$root" / --proc /proc --dev /dev --unshare-pid --cap-add ALL sh -c "$payload"
}

# ---- with the machine's binfmt_misc ----

registered= mounted=
register_machine() {
    mountpoint -q /proc/sys/fs/binfmt_misc && mounted=before
    [ "${CONTAINERS-}" != private ] || { lacks='CONTAINERS=private leaves it out' && return 1; }
    lacks=$("$XEMU-static" install --now 2>&1 >/dev/null) || return 1
    registered=yes
}
release_machine() {
    [ -z "$registered" ] || "$XEMU-static" uninstall >/dev/null
    [ -z "$registered" ] || [ -n "$mounted" ] || umount /proc/sys/fs/binfmt_misc 2>/dev/null
    registered=
    awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount 2>/dev/null
}

make_bundle() {
    mkdir -p "$work/bundle"
    (cd "$work/bundle" && runc spec && jq --arg root "$systems/root-arm64" --arg payload "$payload" '
        .process.terminal = false | .process.args = ["sh", "-c", $payload] | .root = {path: $root, readonly: false} |
        .process.noNewPrivileges = false | .process.capabilities[] += ["CAP_SETUID", "CAP_SETGID"] |
        .linux.namespaces |= map(select(.type != "network"))' config.json >new && mv new config.json)
}

# Old container tools stumble over a second hierarchy of cgroups.
without_hybrid() { unshare --mount sh -c 'umount -R /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' sh "$@"; }
export -f without_hybrid

test_low_level() {
    root=$systems/root-arm64
    engine nspawn systemd-nspawn --quiet --register=no --keep-unit --pipe -D "$root" sh -c "$payload"
    mkdir -p "$work/lxc"
    printf 'lxc.rootfs.path = dir:%s\nlxc.net.0.type = none\nlxc.mount.auto = proc sys\nlxc.autodev = 1\n' "$root" \
        >"$work/lxc.conf"
    engine lxc-execute lxc-execute -n xemu-test -f "$work/lxc.conf" -P "$work/lxc" -- sh -c "$payload"
    make_bundle
    program=runc engine runc without_hybrid runc run --bundle "$work/bundle" xemu-test-runc
    program=crun engine crun without_hybrid crun run --bundle "$work/bundle" xemu-test-crun
}

limits=(--ulimit nofile=1024:20000 --ulimit nproc=1024:20000 --network host)
podman_root() {
    podman --root "$work/podman" --runroot "$work/podman-run" --runtime runc --cgroup-manager cgroupfs "$@"
}
export -f podman_root

make_containerfile() {
    mkdir -p "$work/build"
    cat >"$work/build/Containerfile" <<'END'
FROM localhost/xemu-test AS one
RUN apt-get --version >/first && gcc --version >>/first
RUN ["python3", "-c", "open('/second', 'w').write('of python')"]
FROM localhost/xemu-test
COPY --from=one /first /second /
USER 33:33
RUN id -u | grep 33 && grep 'gcc' /first && sudo -n id -u
CMD cat /second && uname -m
END
}

# run as it comes, which is under docker's default filter of system calls; and as narrow as it can be
test_podman() {
    if ! command -v podman >/dev/null; then
        echo "skip podman: there is no podman (tools/setup.sh containers)"
        return
    fi
    engine podman podman_root run --rm "${limits[@]}" --platform linux/arm64 localhost/xemu-test sh -c "$payload"
    expected='^aarch64 42 $' engine podman_narrow podman_root run --rm "${limits[@]}" --platform linux/arm64 --read-only \
        --cap-drop ALL --security-opt no-new-privileges --user 33 --tmpfs /none --read-only-tmpfs=false \
        localhost/xemu-test sh -c 'ulimit -v 400000; ! touch /tmp/x /dev/shm/x 2>/dev/null; uname -m; python3 -c "print(42)"'
    expected='^aarch64 42 $' engine podman_little_memory podman_root run --rm "${limits[@]}" --platform linux/arm64 \
        --memory 32m --memory-swap 32m localhost/xemu-test sh -c 'uname -m; python3 -c "print(42)"'
    limit=300 passes podman_build 'COMMIT localhost/xemu-built' podman_root build "${limits[@]}" --platform linux/arm64 \
        -t localhost/xemu-built "$work/build"
    expected='^of pythonaarch64 $' engine podman_built podman_root run --rm "${limits[@]}" localhost/xemu-built
}

start_docker() {
    dockerd --iptables=false --bridge=none --data-root "$work/docker" --exec-root "$work/docker-run" \
        -H "unix://$work/docker.sock" -p "$work/docker.pid" >"$logs/dockerd.log" 2>&1 &
    for _ in $(seq 30); do
        DOCKER_HOST=unix://$work/docker.sock docker version >/dev/null 2>&1 && return
        sleep 1
    done
    return 1
}

stop_docker() {
    [ ! -e "$work/docker.pid" ] || kill "$(cat "$work/docker.pid")"
    wait
}

test_docker() {
    if ! command -v dockerd >/dev/null; then
        echo "skip docker: there is no dockerd (tools/setup.sh containers)"
        return
    fi
    if ! start_docker; then
        echo "skip docker: dockerd does not start here: $(tail -n 1 "$logs/dockerd.log" | cut -c -200)"
        stop_docker
        return
    fi
    export DOCKER_HOST=unix://$work/docker.sock
    passes docker_load 'Loaded image' docker load -i "$work/image.tar"
    engine docker docker run --rm --network host --platform linux/arm64 localhost/xemu-test sh -c "$payload"
    expected='^aarch64 42 $' engine docker_little_memory docker run --rm --network host --platform linux/arm64 \
        --memory 32m --memory-swap 32m localhost/xemu-test sh -c 'uname -m; python3 -c "print(42)"'
    cp "$work/build/Containerfile" "$work/build/Dockerfile"
    limit=300 passes docker_build 'Successfully tagged xemu-built' env DOCKER_BUILDKIT=0 docker build --network host \
        --platform linux/arm64 -t xemu-built "$work/build"
    # BuildKit in the daemon; a newer client would ask for buildx, which Debian 12 has not
    if /usr/bin/docker --version 2>/dev/null | grep -q ' 20\.'; then
        limit=300 passes docker_buildkit 'naming to docker.io/library/xemu-built-by-buildkit' env DOCKER_BUILDKIT=1 \
            /usr/bin/docker build --progress plain --network host --platform linux/arm64 -t xemu-built-by-buildkit \
            "$work/build"
        expected='^of pythonaarch64 $' engine docker_built_by_buildkit docker run --rm --network host \
            --platform linux/arm64 xemu-built-by-buildkit
    else
        echo "skip docker_buildkit: there is no docker 20 client, which has BuildKit without buildx"
    fi
    printf '%s\n' 'services:' '  one:' '    image: localhost/xemu-test' '    platform: linux/arm64' \
        '    network_mode: host' '    command: uname -m' >"$work/compose.yaml"
    limit=120 passes docker_compose 'aarch64' docker-compose -f "$work/compose.yaml" up --abort-on-container-exit
    stop_docker
}

make_image() {
    make_containerfile
    tar -C "$systems/root-arm64" --one-file-system --exclude=./var/cache/apt/archives/'*.deb' -cf "$work/system.tar" .
    podman_root import --arch arm64 "$work/system.tar" localhost/xemu-test >"$logs/podman_import.log" 2>&1 &&
        podman_root save --format docker-archive -o "$work/image.tar" localhost/xemu-test >>"$logs/podman_import.log" 2>&1
}

test_engines() {
    make_image || cp "$work/system.tar" "$work/image.tar"
    chmod 644 "$work/image.tar"
    in_namespace "$0" test_in_namespace "$work"
    export work systems logs
    test_run_root
    test_rootless_podman
    if ! register_machine; then
        echo "skip nspawn, lxc, runc, crun, podman, docker: $lacks"
        return
    fi
    test_low_level
    test_podman
    test_docker
    release_machine
}
