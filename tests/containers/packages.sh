# The Debian packages and the manifest for Kubernetes: . tests/containers/packages.sh

make_debs() {
    if ! command -v lintian >/dev/null; then
        echo "skip debs_are_clean: there is no lintian (tools/setup.sh containers)"
        make -s MODE="$MODE" deb >"$logs/debs.log" 2>&1
        return
    fi
    passes debs_are_clean 'xemu-static_.*\.deb' make -s MODE="$MODE" deb
}

# What the amd64 system is for these tests, thrown away afterwards. Inside of a namespace.
mount_copy() {
    mkdir -p "$work/layers"
    mount -t tmpfs none "$work/layers"
    mkdir "$work/layers/upper" "$work/layers/work" "$work/layers/root"
    root=$work/layers/root
    mount -t overlay -o "userxattr,lowerdir=$systems/root-amd64,upperdir=$work/layers/upper,workdir=$work/layers/work" none "$root"
    mount -t proc none "$root/proc"
    mount -t binfmt_misc none "$root/proc/sys/fs/binfmt_misc"
    mount_system "$root"
    write_sources "$root"
    cp build/deb/*.deb "$root/tmp/"
    cp build/guest/arm64/launched "$root/tmp/"
}

debs="cd /tmp && apt-get -q -y install ./xemu_*.deb ./xemu-static_*.deb"

# check_debs NAME: installs, runs, installs again, removes
check_debs() {
    passes "$1_install" 'Setting up xemu-static' inside sh -c "$debs"
    passes "$1_register" '^argc 2 argv0 launched' inside /tmp/launched x
    passes "$1_run" '^argc 2 argv0 launched' inside xemu /tmp/launched x
    passes "$1_tell" '^xemu-aarch64: /usr/bin/xemu-static, flags POCF$' inside xemu status
    passes "$1_install_again" 'Setting up xemu-static' inside sh -c "$debs --reinstall"
    passes "$1_register_again" '^argc 2 argv0 launched' inside /tmp/launched x
    passes "$1_removal" 'Removing xemu-static' inside apt-get -q -y purge xemu xemu-static
    passes "$1_removal_unregisters" '^none$' sh -c 'ls "$1" | grep xemu || echo none' ls "$root/proc/sys/fs/binfmt_misc"
    passes "$1_removal_leaves_nothing" '^nothing$' inside sh -c 'find /usr /etc /var/lib/binfmts -name "*xemu*" | grep . || echo nothing'
}

test_debs() {
    export root
    mount -t proc none /proc
    mount_copy
    check_debs debs
    passes binfmt_support 'Setting up binfmt-support' inside apt-get -q -y install binfmt-support
    check_debs debs_with_binfmt_support
}

# By the schema of the API server, which the npm registry has as a package.
test_manifest() {
    if ! (mkdir -p "$work/manifest" && cd "$work/manifest" && npm install --silent kubernetes-models@4 yaml@2) \
        >"$logs/npm_manifest.log" 2>&1; then
        echo "skip daemonset_fits_its_schema: the npm registry is out of reach"
        return
    fi
    cat >"$work/manifest/check.js" <<'END'
const { DaemonSet } = require("kubernetes-models/apps/v1");
const manifest = require("yaml").parse(require("fs").readFileSync(process.argv[2], "utf8"));
new DaemonSet(manifest).validate();
manifest.spec.template.spec.containers[0].image = 3;
try {
    new DaemonSet(manifest).validate();
} catch (error) {
    console.log("valid");
}
END
    passes daemonset_fits_its_schema '^valid$' node "$work/manifest/check.js" packaging/daemonset.yaml
}
