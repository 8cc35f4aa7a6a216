#!/bin/sh
# Writes the reference pages that are made from the sources: tools/docs.sh DIRECTORY
set -eu

out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
mkdir -p "$out"

# syscalls.def: KIND(number, name, "letters"[, "note"])
awk '
    function kind_text(kind) {
        return kind == "PASS" ? "passed through" : kind == "PATH" ? "passed through" : kind == "MAP" ? "converted" : \
               kind == "EMU" ? "answered by xemu" : "not there (ENOSYS)"
    }
    /^(PASS|PATH|MAP|EMU|NONE) *\(/ {
        kind = $0; sub(/ *\(.*/, "", kind)
        rest = $0; sub(/^[^(]*\( */, "", rest)
        number = rest; sub(/,.*/, "", number); sub(/^[^,]*, */, "", rest)
        name = rest; sub(/,.*/, "", name); sub(/^[^,]*, */, "", rest)
        note = ""
        if (match(rest, /", "/)) { note = substr(rest, RSTART + RLENGTH); sub(/"\)$/, "", note) }
        if (kind == "PATH") note = "paths are looked up below -L, and /proc/self shows the guest"
        row[++rows] = sprintf("| %d | %s | %s | %s |", number, name, kind_text(kind), note)
        count[kind_text(kind)]++
    }
    END {
        print "# System calls\n"
        print "Every system call of Linux on ARM64 and how xemu answers it; made from `syscall/syscalls.def`.\n"
        print "| support | calls |\n|---|---|"
        for (text in count) printf "| %s | %d |\n", text, count[text] | "sort"
        close("sort")
        print "\nWhat is passed through has the same arguments and structures on both architectures and goes to the kernel as"
        print "it is. A number that is not in the table gives ENOSYS.\n"
        print "| number | call | support | note |\n|---|---|---|---|"
        for (i = 1; i <= rows; i++) print row[i]
    }' syscall/syscalls.def >"$out/syscalls.md"
