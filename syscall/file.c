/* Files: open flags, struct stat, and the links that name the guest's program. */
#include <xemu/fault.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "path.h"
#include "task.h"

/* ---- opening ---- */

bool path_is_made(const struct guest_path *path, uint64_t host_flags)
{
    return path->proc > PROC_EXE && (host_flags & O_ACCMODE) == O_RDONLY &&
           !(host_flags & (O_PATH | O_DIRECTORY));
}

int64_t sys_openat(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct guest_path path;
    uint64_t flags = host_open_flags(args[2]);
    int error = path_get(&path, (int)args[0], args[1], !(flags & O_NOFOLLOW));
    if (error)
        return error;
    if (path_is_made(&path, flags))
        return proc_open(path.proc, (int)args[0], path.text, flags);
    return HOST_CALL(SYS_openat, args[0], path_arg(&path, args[1]), flags, args[3]);
}

/* A structure that may be longer than the one we know if the rest is zero. */
static int read_how(void *how, size_t known, uint64_t addr, uint64_t given)
{
    char rest[4096];
    if (given < known)
        return -EINVAL;
    if (given > sizeof rest)
        return -E2BIG;
    if (guest_copy_in(rest, addr, given))
        return -EFAULT;
    memcpy(how, rest, known);
    for (size_t i = known; i < given; i++) {
        if (rest[i])
            return -E2BIG;
    }
    return 0;
}

int64_t sys_openat2(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct {
        uint64_t flags, mode, resolve;
    } how;
    struct guest_path path;
    int error = read_how(&how, sizeof how, args[2], args[3]);
    if (error)
        return error;
    how.flags = host_open_flags(how.flags);
    error = path_get(&path, (int)args[0], args[1], !(how.flags & O_NOFOLLOW));
    if (error)
        return error;
    if (path_is_made(&path, how.flags))
        return proc_open(path.proc, (int)args[0], path.text, how.flags);
    if (how.resolve) /* relative to a root of the guest's choice: the path isn't ours to replace */
        path.host = NULL;
    return HOST_CALL(SYS_openat2, args[0], path_arg(&path, args[1]), (uint64_t)&how, sizeof how);
}

int64_t sys_open_by_handle_at(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return HOST_CALL(SYS_open_by_handle_at, args[0], args[1], host_open_flags(args[2]));
}

int64_t sys_mq_open(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return HOST_CALL(SYS_mq_open, args[0], host_open_flags(args[1]), args[2], args[3]);
}

int64_t sys_pipe2(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return HOST_CALL(SYS_pipe2, args[0], host_open_flags(args[1]));
}

int64_t sys_fanotify_init(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return HOST_CALL(SYS_fanotify_init, args[0], host_open_flags(args[1]));
}

int64_t sys_fanotify_mark(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct guest_path path;
    int error = path_get(&path, (int)args[3], args[4], true);
    if (error)
        return error;
    return HOST_CALL(SYS_fanotify_mark, args[0], args[1], args[2], args[3], path_arg(&path, args[4]));
}

int64_t sys_fcntl(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    uint64_t arg = args[2];
    if ((int)args[1] == F_SETFL)
        arg = host_open_flags(arg);
    int64_t result = HOST_CALL(SYS_fcntl, args[0], args[1], arg);
    return (int)args[1] == F_GETFL && result >= 0 ? (int64_t)guest_open_flags((uint64_t)result) : result;
}

/* ---- stat ---- */

static int64_t put_stat(int64_t result, const struct stat *host, uint64_t addr)
{
    if (result < 0)
        return result;
    struct arm64_stat guest = guest_stat(host);
    return guest_copy_out(addr, &guest, sizeof guest);
}

int64_t sys_newfstatat(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct guest_path path;
    struct stat host;
    int error = path_get(&path, (int)args[0], args[1], !(args[3] & AT_SYMLINK_NOFOLLOW));
    if (error)
        return error;
    int64_t result = HOST_CALL(SYS_newfstatat, args[0], path_arg(&path, args[1]), (uint64_t)&host, args[3]);
    return put_stat(result, &host, args[2]);
}

int64_t sys_fstat(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct stat host;
    int64_t result = HOST_CALL(SYS_fstat, args[0], (uint64_t)&host);
    return put_stat(result, &host, args[1]);
}

/* ---- links ---- */

int64_t sys_readlinkat(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct guest_path path;
    int error = path_get(&path, (int)args[0], args[1], false);
    if (error)
        return error;
    if (path.proc != PROC_EXE && path.proc != PROC_OTHER_EXE)
        return HOST_CALL(SYS_readlinkat, args[0], path_arg(&path, args[1]), args[2], args[3]);
    if ((int)args[3] <= 0)
        return -EINVAL;
    const char *program = path.proc == PROC_EXE ? guest_image.path : path.buffer;
    size_t length = strlen(program);
    if (length > args[3])
        length = args[3];
    return guest_copy_out(args[2], program, length) ? -EFAULT : (int64_t)length;
}
