#!/bin/bash
# A container by docker. Where no daemon answers and this is root, one of the lab's own runs as long as the level.
set -u
cd "$(dirname "$0")/../../.." || exit 1
missing() { echo "lab:missing $*"; exit 3; }
command -v docker >/dev/null || missing "docker is not installed"
pinned=(--cpuset-cpus "$(taskset -cp $$ | sed 's/.*: //')") # a daemon's containers have not this shell's processors
if ! timeout 10 docker info >/dev/null 2>&1; then
    command -v dockerd >/dev/null || missing "there is a docker client, but no daemon answers, and dockerd is not installed"
    [ "$(id -u)" = 0 ] || missing "no docker daemon answers, and only root can start one"
    state=$PWD/build/lab/docker pinned=()
    rm -rf "$state"
    mkdir -p "$state"
    sockets=$(mktemp -d "${TMPDIR:-/tmp}/xemu-lab-XXXXXX") # whose names may not be long
    trap 'kill $daemon; wait $daemon; rm -rf "$state" "$sockets"' EXIT
    dockerd --data-root "$state/data" --exec-root "$sockets/exec" --pidfile "$sockets/pid" --host "unix://$sockets/docker" \
        --storage-driver vfs --bridge none --iptables=false --ip6tables=false --ip-forward=false >"$state/log" 2>&1 </dev/null &
    daemon=$!
    export DOCKER_HOST=unix://$sockets/docker
    for _ in $(seq 100); do
        timeout 10 docker info >/dev/null 2>&1 && break
        kill -0 $daemon 2>/dev/null || break
        sleep 0.2
    done
    timeout 10 docker info >/dev/null 2>&1 || missing "dockerd does not start: $(tail -n 1 "$state/log")"
fi
mkdir -p build/lab/root/lab
tar -C build/lab/root -c . | docker import - xemu-lab >/dev/null || missing "docker import failed"
docker run --rm -i --network none "${pinned[@]}" -v "$PWD/build/lab/amd64:/lab:ro" xemu-lab /lab/agent
