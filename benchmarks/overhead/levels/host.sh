#!/bin/bash
# The machine itself: the agent runs programs as they are, or with an emulator in front.
cd "$(dirname "$0")/../../.." || exit 1
exec build/lab/amd64/agent
