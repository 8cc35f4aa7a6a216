#!/bin/bash
# A container by docker, where its daemon runs.
set -u
cd "$(dirname "$0")/../../.." || exit 1
missing() { echo "lab:missing $*"; exit 3; }
command -v docker >/dev/null || missing "docker is not installed"
timeout 10 docker info >/dev/null 2>&1 || missing "there is a docker client, but no docker daemon answers"
if [ -d build/sysroot-amd64 ]; then
    tar -C build/sysroot-amd64 -c . | docker import - xemu-lab >/dev/null || missing "docker import failed"
else
    tar -C build/lab -c root | docker import - xemu-lab >/dev/null || missing "docker import failed"
fi
exec docker run --rm -i --network none -v "$PWD/build/lab/amd64:/lab:ro" xemu-lab /lab/agent
