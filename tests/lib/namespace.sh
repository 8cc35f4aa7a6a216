# A user namespace of one's own, with all ids that one may have: . tests/lib/namespace.sh

# in_namespace COMMAND...: as root in new user, mount and process namespaces. Root's has the first 65536 ids, an
# ordinary user's has one. COMMAND finds how many in $IDS.
in_namespace() {
    if [ "$(id -u)" != 0 ]; then
        IDS=1 unshare --user --map-root-user --mount --pid --fork --kill-child "$@"
        return
    fi
    fifo=$(mktemp -u)
    mkfifo "$fifo.started" "$fifo.mapped"
    # shellcheck disable=SC2016 # for the inner shell
    IDS=65536 unshare --user --mount --pid --fork --kill-child sh -c '
        exec 7>"$0.started" 8<"$0.mapped"
        exec 7>&-
        read -r _ <&8
        exec 8<&-
        shift 0
        exec setpriv --reuid 0 --regid 0 --clear-groups "$@"' "$fifo" "$@" &
    namespace=$!
    exec 7<"$fifo.started" 8>"$fifo.mapped"
    read -r _ <&7
    for map in uid_map gid_map; do
        echo 0 0 65536 >"/proc/$namespace/$map"
    done
    echo mapped >&8
    exec 7<&- 8>&-
    rm -f "$fifo.started" "$fifo.mapped"
    wait "$namespace"
}

# What is missing for private handlers of binfmt_misc, or nothing.
namespace_lacks() {
    if ! in_namespace true 2>/dev/null; then
        echo "no user namespaces here"
    elif ! in_namespace mount -t binfmt_misc none /mnt 2>/dev/null; then
        echo "binfmt_misc cannot be mounted in a user namespace (Linux 6.7 can)"
    fi
}
