/* System V IPC: shared memory becomes the guest's, struct semid64_ds is converted. */
#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

enum { PAGE = 4096 };

/* Attached segments; shmdt names only the address. A fork's child has the same ones, in its own copy. */
struct attached {
    struct attached *next;
    uint64_t addr, size;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct attached *list;

static void remember(struct attached *new)
{
    pthread_mutex_lock(&lock);
    new->next = list;
    list = new;
    pthread_mutex_unlock(&lock);
}

/* Takes the segment at addr off the list; its size, or 0. */
static uint64_t forget(uint64_t addr)
{
    uint64_t size = 0;
    pthread_mutex_lock(&lock);
    for (struct attached **link = &list; *link; link = &(*link)->next) {
        struct attached *found = *link;
        if (found->addr != addr)
            continue;
        size = found->size;
        *link = found->next;
        free(found);
        break;
    }
    pthread_mutex_unlock(&lock);
    return size;
}

void ipc_fork_prepare(void) { pthread_mutex_lock(&lock); }
void ipc_fork_done(void) { pthread_mutex_unlock(&lock); }

int64_t sys_shmat(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct shmid_ds info;
    uint64_t flags = args[2] & ~(uint64_t)SHM_EXEC; /* the host never executes guest code */
    int64_t result = HOST_CALL(SYS_shmctl, args[0], IPC_STAT, (uint64_t)&info);
    if (result < 0)
        return result;
    uint64_t size = (info.shm_segsz + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    uint64_t start = flags & SHM_RND ? args[1] & ~(uint64_t)(PAGE - 1) : args[1];
    if ((flags & SHM_REMAP) && start && !guest_range_contains(start, start + size))
        return -EINVAL; /* it would replace what isn't the guest's */
    if (!guest_fits(flags & SHM_REMAP ? 0 : size))
        return -ENOMEM;
    struct attached *new = malloc(sizeof *new);
    if (!new)
        return -ENOMEM;
    result = HOST_CALL(SYS_shmat, args[0], args[1], flags);
    if (result < 0) {
        free(new);
        return result;
    }
    *new = (struct attached){.addr = (uint64_t)result, .size = size};
    remember(new);
    guest_range_add(new->addr, new->addr + size);
    if (args[2] & SHM_EXEC)
        guest_range_set_executable(new->addr, new->addr + size);
    return result;
}

int64_t sys_shmdt(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    if (!guest_range_contains(args[0], args[0] + 1))
        return -EINVAL;
    int64_t result = host_call(SYS_shmdt, args);
    if (result == 0) {
        uint64_t size = forget(args[0]);
        guest_range_remove(args[0], args[0] + size);
    }
    return result;
}

static int64_t get_semid(const uint64_t args[6])
{
    struct host_semid host;
    int64_t result = HOST_CALL(SYS_semctl, args[0], args[1], args[2], (uint64_t)&host);
    if (result < 0)
        return result;
    struct arm64_semid guest = {
        .perm = host.perm, .otime = host.otime, .ctime = host.ctime, .nsems = host.nsems};
    return guest_copy_out(args[3], &guest, sizeof guest) ? -EFAULT : result;
}

static int64_t set_semid(const uint64_t args[6])
{
    struct arm64_semid guest;
    if (guest_copy_in(&guest, args[3], sizeof guest))
        return -EFAULT;
    struct host_semid host = {.perm = guest.perm};
    return HOST_CALL(SYS_semctl, args[0], args[1], args[2], (uint64_t)&host);
}

int64_t sys_semctl(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    switch ((int)args[2]) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return get_semid(args);
    case IPC_SET:
        return set_semid(args);
    default:
        return host_call(SYS_semctl, args);
    }
}
