#!/bin/bash
# A container by an OCI runtime: oci.sh runc|crun|runsc. Its root is the amd64 tree of Debian packages where there is
# one; the lab's programs are in /lab.
set -u
cd "$(dirname "$0")/../../.." || exit 1
runtime=$1
missing() { echo "lab:missing $*"; exit 3; }
command -v "$runtime" >/dev/null || missing "$runtime is not installed"
[ "$(id -u)" = 0 ] || missing "$runtime needs root here"
root=$PWD/build/lab/root
mkdir -p "$root/lab"
[ ! -d build/sysroot-amd64 ] || root=$PWD/build/sysroot-amd64
mkdir -p "$root"/{lab,proc,dev,tmp}
bundle=$(mktemp -d "${TMPDIR:-/tmp}/xemu-lab-XXXXXX")
id=${bundle##*/}-$runtime # $$ is small where a level has processes of its own
trap 'rm -rf "$bundle"' EXIT
cat >"$bundle/config.json" <<JSON
{ "ociVersion": "1.0.2",
  "process": { "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": [ "/lab/agent" ], "cwd": "/",
               "env": [ "PATH=/usr/bin:/bin" ] },
  "root": { "path": "$root", "readonly": true }, "hostname": "lab",
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "nosuid", "mode=755" ] },
    { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" },
    { "destination": "/lab", "type": "bind", "source": "$PWD/build/lab/amd64", "options": [ "bind", "ro" ] } ],
  "linux": { "namespaces": [ { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" } ],
             "resources": { "devices": [ { "allow": true, "access": "rwm" } ] } } }
JSON
case $runtime in
runsc) set -- runsc --root "$bundle/state" --platform=ptrace --network=none --ignore-cgroups run -bundle "$bundle" "$id" ;;
*) set -- "$runtime" --root "$bundle/state" run --bundle "$bundle" "$id" ;;
esac
"$@"
