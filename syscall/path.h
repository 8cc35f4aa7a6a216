/* Paths on their way from the guest to the host: the sysroot, and the files of /proc that tell of xemu. */
#ifndef SYSCALL_PATH_H
#define SYSCALL_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "proc.h"

struct cpu;

struct guest_path {
    const char *host;      /* what to give to the host's kernel; null: the guest's own pointer will do */
    enum proc_file proc;   /* PROC_NONE, or which file of /proc the path names */
    char text[PATH_MAX];   /* as the guest gave it */
    char buffer[PATH_MAX]; /* may hold `host` */
};

/* Reads the path at `addr` and says where it leads. `follow`: the last link is followed, so that
 * /proc/self/exe means the guest's program. Returns 0, -EFAULT or -ENAMETOOLONG. */
int path_get(struct guest_path *path, int dirfd, uint64_t addr, bool follow);

/* The argument for the host's call. */
static inline uint64_t path_arg(const struct guest_path *path, uint64_t addr)
{
    return path->host ? (uint64_t)(uintptr_t)path->host : addr;
}

/* Opened like this it is a file of /proc that xemu makes; only for reading, as the real ones. */
bool path_is_made(const struct guest_path *path, uint64_t host_flags);

/* Handler of the PATH rows: translates each path argument and makes the host's call of the row. */
int64_t path_call(struct cpu *cpu, const uint64_t args[6]);

#endif
