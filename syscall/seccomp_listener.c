/* Listeners of seccomp. The host's kernel connects the two processes: a filter of its own lets calls whose
 * numbers lie beyond all real ones be answered by the listener, and xemu makes such a call for a guest's one.
 * Who listens is a guest, too: its ioctls on the descriptor show it the guest's number and architecture. */
#include "seccomp_listener.h"

#include <xemu/fault.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "handlers.h"
#include "host.h"
#include "proc.h"
#include "task.h"

/* Not taken by x86-64 nor x32: numbers of the guest are below NUMBERS. */
enum { FIRST = 0x5a170000, NUMBERS = 0x10000 };

int64_t listener_new(uint64_t flags)
{
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST + NUMBERS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};
    flags &= LISTENER_FLAGS | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    return HOST_CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, (uint64_t)&program);
}

int64_t listener_ask(uint32_t number, const uint64_t args[6])
{
    return number < NUMBERS ? host_call(FIRST + (long)number, args) : -ENOSYS;
}

static int64_t receive(const uint64_t args[6])
{
    struct seccomp_notif request;
    if (guest_copy_in(&request, args[2], sizeof request))
        return -EFAULT;
    int64_t result = HOST_CALL(SYS_ioctl, args[0], args[1], (uint64_t)&request);
    if (result)
        return result;
    if ((uint32_t)request.data.nr - FIRST < NUMBERS) {
        request.data.nr -= FIRST;
        request.data.arch = AUDIT_ARCH_AARCH64;
    }
    return guest_copy_out(args[2], &request, sizeof request);
}

/* The kernel would now make the call, which doesn't exist: the other xemu has to make the one that it stands
 * for. */
static int64_t send(const uint64_t args[6])
{
    struct seccomp_notif_resp response;
    if (guest_copy_in(&response, args[2], sizeof response))
        return -EFAULT;
    if (response.flags == SECCOMP_USER_NOTIF_FLAG_CONTINUE && !response.error && !response.val) {
        response.flags = 0;
        response.error = LISTENER_CONTINUES;
    }
    return HOST_CALL(SYS_ioctl, args[0], args[1], (uint64_t)&response);
}

int64_t sys_ioctl(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    switch ((uint32_t)args[1]) {
    case SECCOMP_IOCTL_NOTIF_RECV:
        return receive(args);
    case SECCOMP_IOCTL_NOTIF_SEND:
        return send(args);
    case (uint32_t)PROCMAP_QUERY_IOCTL:
        return proc_query((int)args[0], args[2]);
    default:
        return host_call(SYS_ioctl, args);
    }
}
