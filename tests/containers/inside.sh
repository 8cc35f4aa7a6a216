# What works in an ARM64 system in a chroot: . tests/containers/inside.sh

export -f in_root

# Prints the line of a test: NAME PATTERN COMMAND..., which must succeed, with a line that matches the extended regular
# expression.
passes() {
    test_name=$1 pattern=$2
    shift 2
    log=$logs/$test_name.log
    if ! timeout --kill-after=10 "${limit:-300}" bash -c '"$@"' passes "$@" >"$log" 2>&1 </dev/null; then
        echo "not ok $test_name: it failed: $(tail -n 1 "$log" | cut -c -200)"
    elif ! grep -qE -- "$pattern" "$log"; then
        echo "not ok $test_name: no line matches $pattern: $(tail -n 1 "$log" | cut -c -200)"
    else
        echo "ok $test_name"
    fi
}

report_times() {
    for step in second-stage install; do
        arm=$(cpu "$step-arm64") amd=$(cpu "$step-amd64")
        awk -v arm="$arm" -v amd="$amd" -v step="$step" 'BEGIN {
            if (!amd) { print "skip cpu_time_of_" step ": not measured on amd64"; exit }
            line = sprintf("%.1f s of CPU, amd64 %.1f s, %.2f times", arm, amd, arm / amd)
            print (arm <= 3 * amd ? "ok" : "not ok") " cpu_time_of_" step ": " line
        }'
    done
}

inside() { in_root "$root" "$@"; }
export -f inside

test_compiler() {
    cat >"$root/tmp/program.c" <<'END'
#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) { return !printf("%s %.3f %s\n", argv[0], sqrt(2.0 * argc), __VERSION__); }
END
    passes compiles_and_runs '^/tmp/program 1\.414 12' inside sh -c \
        'gcc -O2 -o /tmp/program /tmp/program.c -lm && /tmp/program'
    passes compiled_program_is_arm64 'ARM aarch64' inside file /tmp/program
}

pip='pip install --quiet --break-system-packages --no-index --no-build-isolation --no-deps'

make_python_projects() {
    mkdir -p "$1/pure" "$1/compiled"
    echo 'def answer(): return 6 * 7' >"$1/pure/pure.py"
    echo 'from setuptools import setup
setup(name="pure", version="1.0", py_modules=["pure"])' >"$1/pure/setup.py"
    cat >"$1/compiled/compiled.c" <<'END'
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(6 * 7); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled", NULL, -1, methods};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&module); }
END
    echo 'from setuptools import Extension, setup
setup(name="compiled", version="1.0", ext_modules=[Extension("compiled", ["compiled.c"])])' >"$1/compiled/setup.py"
}

test_packages() {
    passes libc_triggers_twenty_times '^20$' inside sh -c '
        for i in $(seq 20); do ldconfig && dpkg-trigger --by-package=libc-bin ldconfig && dpkg --configure libc-bin || exit 1; done; echo $i'
    passes apt_get_update 'Reading package lists' inside apt-get -q update
    passes reinstall_libc_bin 'Setting up libc-bin' inside apt-get -q -y install --reinstall libc-bin
    passes dpkg_is_consistent '^consistent$' inside sh -c 'dpkg --audit && echo consistent'
    make_python_projects "$root/src"
    passes pip_pure_python '^pure 42$' inside sh -c "$pip --target /tmp/pip1 /src/pure"' &&
        PYTHONPATH=/tmp/pip1 python3 -c "import pure; print(\"pure\", pure.answer())"'
    passes pip_compiled '^compiled 42$' inside sh -c "$pip --target /tmp/pip2 /src/compiled"' &&
        PYTHONPATH=/tmp/pip2 python3 -c "import compiled; print(\"compiled\", compiled.answer())"'
}

# A small project of the npm registry, installed by npm of that registry, as the system has node only.
test_npm() {
    project=$root/tmp/project
    if ! (cd "$work" && npm pack --silent npm@9 >npm.name && tar -xzf npm-*.tgz) >"$logs/npm_pack.log" 2>&1; then
        echo "skip npm_ci: the npm registry is out of reach"
        return
    fi
    rm -rf "$root/opt/npm" "$project"
    mkdir -p "$root/opt/npm" "$project"
    cp -a "$work/package/." "$root/opt/npm/"
    echo '{"name":"p","version":"1.0.0","dependencies":{"is-number":"7.0.0","left-pad":"1.3.0","semver":"7.5.4"}}' \
        >"$project/package.json"
    registry=$(npm config get registry)
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/tmp/certificates" # of this machine, whose registry it is
    passes npm_install 'added [0-9]+ packages' inside sh -c \
        "cd /tmp/project && NODE_EXTRA_CA_CERTS=/tmp/certificates node /opt/npm/bin/npm-cli.js --registry $registry install"
    passes npm_ci 'added [0-9]+ packages' inside sh -c \
        "cd /tmp/project && NODE_EXTRA_CA_CERTS=/tmp/certificates node /opt/npm/bin/npm-cli.js --registry $registry ci"
    passes node_uses_it '^true 00x$' inside sh -c 'cd /tmp/project && node -e "
        console.log(require(\"is-number\")(7), require(\"left-pad\")(\"x\", 3, \"0\"))"'
}

test_starting() {
    passes tini '^child 3$' inside sh -c 'tini -s -- sh -c "exit 3"; echo child $?'
    passes argv0_of_a_shell '^-sh$' inside bash -c 'exec -a -sh sh -c "echo \$0"'
    passes argv0_tells_busybox_style_names '^name$' inside sh -c '
        ln -sf /usr/bin/perl /tmp/name && cd /tmp && PATH=/tmp:$PATH name -e "exec {q(sh)} q(name), q(-c), q(echo \$0)"'
    printf '#!/usr/bin/env -S python3 -u\nimport sys\nprint(sys.argv)\n' >"$root/tmp/script"
    printf '#!/tmp/script one two\n' >"$root/tmp/nested"
    chmod +x "$root/tmp/script" "$root/tmp/nested"
    passes shebang_with_arguments "'/tmp/script', 'x y'" inside /tmp/script 'x y'
    passes shebang_of_a_script "'one two', '/tmp/nested', 'x'" inside /tmp/nested x
    passes relative_program '^aarch64$' inside sh -c 'cd /usr/bin && ./uname -m'
    passes chdir_does_not_matter '^/usr$' inside sh -c 'cd /usr && env pwd'
    passes sudo '^0$' inside setpriv --reuid 33 --regid 33 --clear-groups sudo -n id -u
}

test_many() {
    passes two_hundred_in_a_row '^200$' inside sh -c 'for i in $(seq 200); do /bin/true || exit 1; done; echo $i'
    passes twenty_at_once '^20$' inside sh -c '
        for i in $(seq 20); do python3 -c "print(1)" & done | wc -l'
    passes no_file_is_left '^none$' inside sh -c '
        touch /tmp/before && sleep 0.01 && for i in $(seq 50); do ls -l /tmp >/dev/null; done
        find / -xdev -newer /tmp/before | grep . || echo none'
    passes compiled_code_is_small '^small$' inside sh -c '[ "$(du -sk /dev/shm | cut -f1)" -lt 131072 ] && echo small'
    passes no_process_is_left '^none$' inside sh -c 'sleep 1; ps -e -o stat=,comm= | grep -E "^Z|true|python3" || echo none'
    # by the kernel's handler, one after the other, on an idle machine: milliseconds
    for handler in xemu qemu; do
        milliseconds "$handler"
    done
}

# Debian's static qemu, unpacked only: its package would register itself.
fetch_qemu() {
    mkdir -p "$systems/qemu"
    (cd "$systems/qemu" && apt-get -q download qemu-user-static && dpkg-deb -x qemu-user-static_*.deb .) >"$logs/qemu.log" 2>&1
    find "$systems/qemu" -name qemu-aarch64-static
}

# milliseconds HANDLER: time of one /bin/true
milliseconds() {
    binary=$XEMU-static
    if [ "$1" = qemu ]; then
        binary=$(command -v qemu-aarch64-static || find "$systems" -name qemu-aarch64-static | head -n 1)
        [ -n "$binary" ] || binary=$(fetch_qemu)
        [ -n "$binary" ] || { echo "skip time_per_process_qemu: there is no qemu-aarch64-static" && return; }
        echo -1 >"$work/misc/xemu-aarch64"
        magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
        mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
        printf '%s\n' ":qemu:M::$magic:$mask:$binary:POCF" >"$work/misc/register"
    fi
    start=$(date +%s%N)
    for _ in $(seq 100); do
        chroot "$root" /bin/true || { echo "not ok time_per_process_$1: it failed" && return; }
    done
    echo "ok time_per_process_$1: $((($(date +%s%N) - start) / 100000)) us with chroot"
    if [ "$1" = qemu ]; then
        echo -1 >"$work/misc/qemu"
        "$XEMU-static" install --mount "$work/misc" --now >&2
    fi
}

test_inside() {
    register_privately
    export root=$systems/root-arm64
    [ -e "$root/proc/self" ] || mount -t proc none "$root/proc"
    mount_system "$root"
    write_sources "$root"
    test_compiler
    test_packages
    test_npm
    test_starting
    test_many
}
