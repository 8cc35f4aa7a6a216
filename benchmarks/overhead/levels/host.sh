#!/bin/bash
# The machine itself: the agent runs programs as they are, or with an emulator in front. Debian's programs run natively in
# their own tree, which gets /proc and /dev for as long as the agent runs.
cd "$(dirname "$0")/../../.." || exit 1
tree=build/sysroot-amd64
if [ -d "$tree" ] && [ "$(id -u)" = 0 ]; then
    exec unshare --mount sh -c "mount -t proc proc $tree/proc; mount --bind /dev $tree/dev; exec build/lab/amd64/agent"
fi
exec build/lab/amd64/agent
