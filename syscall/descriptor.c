/* Descriptors of xemu's own, kept out of the guest's sight, and the way back to xemu's program for execve. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

#include <xemu/sys.h>

#include "handlers.h"
#include "path.h"
#include "task.h"

enum { OWN_FDS = 6, OWN_FD_LOW = 512 };

static atomic_int own[OWN_FDS]; /* number + 1; 0: free */
static atomic_int exe_fd = -1;

bool is_own_fd(uint64_t fd)
{
    for (int i = 0; i < OWN_FDS; i++) {
        if ((uint32_t)own[i] == (uint32_t)fd + 1 && own[i])
            return true;
    }
    return false;
}

/* Just below the limit on descriptors, where programs hardly come; 512 at least if there are so many. */
static int high_place(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= OWN_FD_LOW)
        return 0;
    rlim_t top = limit.rlim_cur < 65536 ? limit.rlim_cur : 65536;
    return (int)top - OWN_FDS > OWN_FD_LOW ? (int)top - OWN_FDS : OWN_FD_LOW;
}

int own_fd(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, high_place());
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    for (int i = 0; i < OWN_FDS; i++) {
        int free_place = 0;
        if (atomic_compare_exchange_strong(&own[i], &free_place, fd + 1))
            break;
    }
    return fd;
}

int sys_own_fd(int fd) { return own_fd(fd); }

/* ---- what the guest does to descriptors ---- */

int64_t sys_close(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    if (is_own_fd(args[0]))
        return -EBADF;
    return host_call(SYS_close, args);
}

int64_t sys_dup3(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    if (is_own_fd(args[0]))
        return -EBADF;
    if (is_own_fd(args[1])) /* no room for both: as if the limit were lower */
        return -EBADF;
    return host_call(SYS_dup3, args);
}

/* Around xemu's own descriptors, in ascending pieces. */
int64_t sys_close_range(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    uint64_t first = (uint32_t)args[0], last = (uint32_t)args[1];
    if (first > last)
        return -EINVAL;
    for (;;) {
        uint64_t stop = last + 1; /* the first of ours in the range */
        for (int i = 0; i < OWN_FDS; i++) {
            uint64_t fd = (uint64_t)own[i] - 1;
            if (own[i] && fd >= first && fd < stop)
                stop = fd;
        }
        int64_t result = stop > first ? HOST_CALL(SYS_close_range, first, stop - 1, args[2]) : 0;
        if (result < 0 || stop > last || stop == last)
            return result;
        first = stop + 1;
    }
}

/* ---- xemu's program ---- */

int self_exe_fd(void) { return exe_fd; }

/* Started through a descriptor because /proc was missing: the kernel then says so in AT_EXECFN, and the next
 * execve needs it again. */
void self_exe_adopt(void)
{
    int fd;
    const char *execfn = (const char *)getauxval(AT_EXECFN);
    if (execfn && sscanf(execfn, "/dev/fd/%d", &fd) == 1 && access("/proc/self/exe", X_OK))
        exe_fd = own_fd(fd);
}

void self_exe_pin(void)
{
    if (exe_fd >= 0)
        return;
    int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (fd >= 0)
        exe_fd = own_fd(fd);
}

/* After these calls /proc may be gone. */
int64_t sys_chroot(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct guest_path path;
    int error = path_get(&path, AT_FDCWD, args[0], true);
    if (error)
        return error;
    self_exe_pin();
    return HOST_CALL(SYS_chroot, path_arg(&path, args[0]));
}

static int64_t pinned_call(long number, const uint64_t args[6])
{
    self_exe_pin();
    return host_call(number, args);
}

int64_t sys_umount2(struct cpu *cpu, const uint64_t args[6])
{
    return (void)cpu, pinned_call(SYS_umount2, args);
}
int64_t sys_mount(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, pinned_call(SYS_mount, args); }
int64_t sys_pivot_root(struct cpu *cpu, const uint64_t args[6])
{
    return (void)cpu, pinned_call(SYS_pivot_root, args);
}
int64_t sys_setns(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, pinned_call(SYS_setns, args); }

int64_t sys_unshare(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return pinned_call(SYS_unshare, args);
}
