/* binfmt_misc: how the kernel is told who runs ARM64 programs. */
#ifndef CONTAINERS_BINFMT_H
#define CONTAINERS_BINFMT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define BINFMT_NAME  "xemu-aarch64"
#define BINFMT_PLACE "/proc/sys/fs/binfmt_misc"

/* Which files: the first bytes of an ELF header, as the kernel, systemd-binfmt and binfmt-support all write
 * them. 64 bits, little-endian, version 1, executable or position-independent, machine 183. Not the OS ABI
 * byte, which may be Linux's. */
#define BINFMT_MAGIC \
    "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00"
#define BINFMT_MASK \
    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff"

struct handler {
    char name[NAME_MAX + 1];
    char interpreter[PATH_MAX];
    char flags[16];
    bool enabled;
};

/* Whether binfmt_misc is mounted at `place`, and whether it runs anything. */
bool binfmt_mounted(const char *place);
bool binfmt_enabled(const char *place);

/* The number of handlers in `place` that match an ARM64 program; the first `room` of them go to `handlers`.
 */
size_t binfmt_handlers(const char *place, struct handler *handlers, size_t room);

/* Mounts binfmt_misc at `place`, which may be mounted already. 0 or -errno: ENODEV if the kernel has none. */
int binfmt_mount(const char *place);

/* The kernel's line that registers `interpreter` with `flags` under BINFMT_NAME, without a newline; malloc'd.
 */
char *binfmt_line(const char *interpreter, const char *flags);

/* Registers, in the place of an entry of that name, which stays if that fails. 0 or -errno. */
int binfmt_register(const char *place, const char *interpreter, const char *flags);

/* 0 or -errno; ENOENT: there is none. */
int binfmt_unregister(const char *place, const char *name);

/* The flags that serve best on this kernel. */
const char *binfmt_best_flags(void);

/* Whether the running kernel is at least this version. */
bool kernel_at_least(unsigned major, unsigned minor);

/* What is known of who runs ARM64 programs, found by starting one. */
struct answer {
    int error;           /* 0, or errno of execve */
    char path[PATH_MAX]; /* the file that runs it */
    char version[128];   /* the first line of what it says to --version */
    bool by_xemu;
};
void probe_answer(struct answer *answer);

/* The file to register: `given`, or the xemu-static beside xemu, or xemu itself if it is static; absolute,
 * malloc'd. Null: there is none that works without other files; *why is then what to tell. */
char *find_static_binary(const char *given, const char **why);

/* Whether the file has no ELF interpreter. */
bool is_static_program(const char *path);

/* Whether this process is in the first user namespace, where what it registers counts for the whole machine.
 */
bool in_first_namespace(void);

#endif
