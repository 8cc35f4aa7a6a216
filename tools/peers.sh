#!/bin/sh
# Fetches newer versions of what the overhead lab compares with, into build/peers: nothing is installed.
#
#   tools/peers.sh          qemu-user of Debian's backports
#
# Uses the mirror that /etc/apt names for Debian. What was fetched is kept; where there is nothing newer, that
# is no error.
set -eu

cd "$(dirname "$0")/.."
. tools/private_apt.sh
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)-backports
peer=$PWD/build/peers/qemu-$codename
state=$PWD/build/packages/$codename
[ ! -e "$peer" ] || exit 0

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' "Codename: ${codename%-backports}" | head -n 1)
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -n "$mirror" ] || { echo "tools/peers.sh: /etc/apt names no mirror of Debian" >&2; exit 0; }

private_apt "$state" "Dir::Etc::sourcelist \"$state/sources\";
Dir::Etc::sourceparts \"-\";"
echo "deb [signed-by=$key] $mirror $codename main" >"$state/sources"

echo "fetching qemu-user of $codename"
ls "$state"/archives/qemu-user_*.deb >/dev/null 2>&1 || { apt update && apt download qemu-user; } || {
    echo "tools/peers.sh: apt could not fetch it: $(tail -n 1 "$state/log")" >&2
    exit 0
}
rm -rf "$peer.new"
mkdir -p "$peer.new"
for deb in "$state"/archives/qemu-user_*.deb; do
    dpkg-deb -x "$deb" "$peer.new"
done
mv "$peer.new" "$peer"
