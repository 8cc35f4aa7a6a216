# The ARM64 system without root and without anything registered for the machine: . tests/containers/rootless.sh

# as_ordinary_user COMMAND...: as a user whom only a mount namespace of its own knows, with 65536 ids to give away
as_ordinary_user() {
    mkdir -p "$work/home" "$work/etc"
    cp /etc/passwd /etc/group "$work/etc/"
    echo "tester:x:54321:54321::$work/home:/bin/sh" >>"$work/etc/passwd"
    echo 'tester:x:54321:' >>"$work/etc/group"
    echo 'tester:200000:65536' | tee "$work/etc/subuid" >"$work/etc/subgid"
    chown 54321:54321 "$work/home"
    unshare --mount bash -c '
        for file in passwd group subuid subgid; do
            mount --bind "$work/etc/$file" "/etc/$file" || exit
        done
        exec setpriv --reuid 54321 --regid 54321 --clear-groups env -C "$work/home" HOME="$work/home" \
            XDG_RUNTIME_DIR="$work/home" TMPDIR="$work/home" "$@"' bash "$@"
}
export -f as_ordinary_user

test_run_root() {
    program=newuidmap engine run_root_of_a_directory as_ordinary_user "$XEMU" run-root "$systems/root-arm64" \
        sh -c "${payload%;*}; echo 0" # its files are root's, and so is nobody's sudo here
    program=newuidmap engine run_root_without_binfmt as_ordinary_user "$XEMU" run-root --no-binfmt \
        "$systems/root-arm64" sh -c "${payload%;*}; echo 0"
    program=newuidmap engine run_root_of_an_image as_ordinary_user "$XEMU" run-root "$work/image.tar" sh -c "$payload"
}

# In podman's namespace: what is registered there podman's containers have.
podman_privately() {
    mkdir -p misc
    mountpoint -q misc || mount -t binfmt_misc none misc
    "$XEMU-static" install --mount "$PWD/misc" --now >&2
    podman --runtime runc "$@"
}
export -f podman_privately

rootless() { as_ordinary_user podman unshare bash -c 'podman_privately "$@"' rootless "$@"; }
export -f rootless

# The image that registers, in the namespace of rootless podman, where nothing is registered at first.
test_registering_image() {
    as_ordinary_user podman unshare "$XEMU-static" uninstall --mount "$work/home/misc" >&2
    passes image_build 'COMMIT xemu' as_ordinary_user podman --runtime runc build -f "$PWD/packaging/Containerfile" \
        -t xemu "$BUILD"
    image=(as_ordinary_user podman --runtime runc run --rm --network host --privileged)
    passes image_lists '"emulators": \[\]' "${image[@]}" xemu
    passes image_registers '"supported": \["linux/amd64", "linux/arm64"\]' "${image[@]}" xemu --install arm64
    passes image_has_registered '^aarch64$' "${image[@]}" --platform linux/arm64 localhost/xemu-test uname -m
    passes image_unregisters '"emulators": \[\]' "${image[@]}" xemu --uninstall xemu-aarch64
    passes image_has_unregistered '[Ee]xec format error' bash -c '! "$@" 2>&1' bash "${image[@]}" --platform linux/arm64 \
        localhost/xemu-test uname -m
}

test_rootless_podman() {
    if ! command -v podman >/dev/null; then
        echo "skip podman_rootless: there is no podman (tools/setup.sh containers)"
        return
    fi
    passes podman_rootless_load 'Loaded image' rootless load -i "$work/image.tar"
    program=podman engine podman_rootless rootless run --rm --network host --platform linux/arm64 localhost/xemu-test \
        sh -c "$payload"
    passes podman_rootless_build 'COMMIT localhost/xemu-built' rootless build --network host --platform linux/arm64 \
        -t localhost/xemu-built "$work/build"
    expected='^of pythonaarch64 $' program=podman engine podman_rootless_built rootless run --rm --network host \
        localhost/xemu-built
    test_registering_image
    as_ordinary_user podman system reset --force >"$logs/podman_reset.log" 2>&1
}
