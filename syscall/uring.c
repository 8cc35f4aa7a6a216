/* io_uring: the host's kernel does the work, on the guest's own rings. Requests are in memory that guest and
 * kernel share, and the kernel reads them only in io_uring_enter (without SQPOLL, which is refused). What is
 * ARM64's in the new ones is replaced before that call and put back after it: a program may submit the same
 * request again. */
#include "uring.h"

#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handlers.h"
#include "signal_wait.h"
#include "task.h"

/* ---- what is known here: Linux 6.18's. What comes later isn't there, as on that kernel. ---- */

enum {
    SETUP_SQE128 = 1 << 10,
    SETUP_NO_MMAP = 1 << 14,
    SETUP_REGISTERED_FD_ONLY = 1 << 15,
    SETUP_NO_SQARRAY = 1 << 16,
    SETUP_KNOWN = (1 << 19) - 1, /* up to CQE_MIXED */

    FEATURES_KNOWN = (1 << 18) - 1,
    FEATURE_REG_REG_RING = 1 << 13,

    ENTER_EXT_ARG_REG = 1 << 6,

    REGISTER_PROBE = 8,
    REGISTER_RING_FDS = 20,
    UNREGISTER_RING_FDS = 21,
    REGISTER_RESIZE_RINGS = 33,
    REGISTER_MEM_REGION = 34,
    REGISTER_QUERY = 35,
};

/* struct io_uring_params; names differ between versions of the kernel's header. */
struct uring_offsets {
    uint32_t head, tail, mask, entries, flags, dropped, array, reserved;
    uint64_t user_addr;
};
struct uring_params {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, reserved[3];
    struct uring_offsets sq, cq;
};
_Static_assert(sizeof(struct uring_params) == 120, "linux/io_uring.h");

/* ---- the rings of this process ---- */

struct ring {
    struct ring *next;
    pthread_mutex_t lock; /* from the look at new requests to their submission */
    dev_t device;         /* which file it is, by whatever descriptor */
    ino_t inode;
    int fd; /* the latest known */
    uint32_t flags, entries;
    uint64_t head, tail, mask, array; /* in `rings`, bytes */
    _Atomic uint64_t rings, requests; /* where the guest has mapped them; 0: nowhere */
    atomic_int users;                 /* calls that are at it */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool in_use; /* there has been a ring */
static struct ring *list;

void uring_fork_prepare(void) { pthread_mutex_lock(&list_lock); }

void uring_fork_done(bool child)
{
    for (struct ring *ring = list; ring && child; ring = ring->next) {
        pthread_mutex_init(&ring->lock, NULL); /* whoever held it isn't here */
        ring->users = 0;
    }
    pthread_mutex_unlock(&list_lock);
}

/* The ring, until ring_put(), or null. */
static struct ring *ring_get(int fd)
{
    struct stat file;
    if (!in_use || fstat(fd, &file))
        return NULL;
    pthread_mutex_lock(&list_lock);
    struct ring *ring = list;
    while (ring && (ring->device != file.st_dev || ring->inode != file.st_ino))
        ring = ring->next;
    if (ring) {
        ring->fd = fd;
        ring->users++;
    }
    pthread_mutex_unlock(&list_lock);
    return ring;
}

static void ring_put(struct ring *ring) { ring->users--; }

/* A descriptor is new: a ring that had its number and is nowhere mapped is gone. */
static void forget_closed(int fd)
{
    for (struct ring **link = &list; *link;) {
        struct ring *ring = *link;
        bool mapped = ring->requests && guest_range_contains(ring->requests, ring->requests + 1);
        if (ring->fd == fd && !mapped && !ring->users) {
            *link = ring->next;
            free(ring);
        } else {
            link = &ring->next;
        }
    }
}

static int ring_add(int fd, const struct uring_params *params, uint64_t rings, uint64_t requests)
{
    struct stat file;
    struct ring *ring = malloc(sizeof *ring);
    if (!ring || fstat(fd, &file)) {
        free(ring);
        return -ENOMEM;
    }
    *ring = (struct ring){.device = file.st_dev,
                          .inode = file.st_ino,
                          .fd = fd,
                          .flags = params->flags,
                          .entries = params->sq_entries,
                          .head = params->sq.head,
                          .tail = params->sq.tail,
                          .mask = params->sq.mask,
                          .array = params->sq.array,
                          .rings = rings,
                          .requests = requests};
    pthread_mutex_init(&ring->lock, NULL);
    pthread_mutex_lock(&list_lock);
    forget_closed(fd);
    ring->next = list;
    list = ring;
    in_use = true;
    pthread_mutex_unlock(&list_lock);
    return 0;
}

void uring_mapped(int fd, uint64_t offset, uint64_t addr)
{
    if (!in_use || (offset != IORING_OFF_SQ_RING && offset != IORING_OFF_SQES))
        return;
    struct ring *ring = ring_get(fd);
    if (!ring)
        return;
    *(offset == IORING_OFF_SQES ? &ring->requests : &ring->rings) = addr;
    ring_put(ring);
}

/* ---- submission ---- */

/* Replaces what differs in the next `most` requests. Nothing is replaced where it fails. */
static int batch_begin(struct batch *batch, const struct ring *ring, uint64_t most)
{
    uint32_t head, tail, mask;
    uint64_t rings = ring->rings, requests = ring->requests;
    unsigned shift = ring->flags & SETUP_SQE128 ? 7 : 6;
    struct io_uring_sqe request;
    if (guest_copy_in(&head, rings + ring->head, 4) || guest_copy_in(&tail, rings + ring->tail, 4) ||
        guest_copy_in(&mask, rings + ring->mask, 4))
        return -EFAULT;
    for (uint32_t left = tail - head < most ? tail - head : (uint32_t)most; left; left--, head++) {
        uint32_t index = head & mask;
        if (!(ring->flags & SETUP_NO_SQARRAY) && guest_copy_in(&index, rings + ring->array + 4ull * index, 4))
            return -EFAULT;
        if (index >= ring->entries)
            continue; /* the kernel drops it */
        uint64_t at = requests + ((uint64_t)index << shift);
        if (guest_copy_in(&request, at, sizeof request))
            return -EFAULT;
        batch_convert(batch, &request, at);
    }
    return batch_replace(batch);
}

/* Waits, if the flags say so; the mask for that time is found as the kernel finds it. */
static int64_t enter(struct cpu *cpu, const uint64_t args[6])
{
    struct {
        uint64_t mask;
        uint32_t size, wait;
        uint64_t time;
    } more;
    uint64_t mask = args[4], size = args[5];
    if (args[3] & IORING_ENTER_EXT_ARG) {
        if (args[5] != sizeof more)
            return -EINVAL;
        if (guest_copy_in(&more, args[4], sizeof more))
            return -EFAULT;
        mask = more.mask;
        size = more.size;
    }
    bool masked = (args[3] & IORING_ENTER_GETEVENTS) && mask && size == sizeof mask;
    return signal_masked_call(cpu, SYS_io_uring_enter, args, masked ? mask : 0);
}

/* Nobody else may submit between the look at requests and their submission, and the wait isn't under the
 * lock. */
static int64_t submit_and_wait(struct cpu *cpu, struct ring *ring, const uint64_t args[6])
{
    struct batch batch = {0};
    uint32_t all = (uint32_t)args[1];
    uint64_t flags = args[3] & ~(uint64_t)(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG);
    bool waits = args[3] & IORING_ENTER_GETEVENTS, at_once = false;
    pthread_mutex_lock(&ring->lock);
    int64_t result = batch_begin(&batch, ring, all < ring->entries ? all : ring->entries);
    if (!result) {
        at_once = waits && !batch.count && !args[4] && thread_is_last();
        result = host_call(SYS_io_uring_enter, at_once ? args : (const uint64_t[6]){args[0], all, 0, flags});
        batch_put_back(&batch);
    }
    pthread_mutex_unlock(&ring->lock);
    batch_free(&batch);
    if (waits && !at_once && result == all)
        enter(cpu, (const uint64_t[6]){args[0], 0, args[2], args[3], args[4], args[5]});
    return result;
}

int64_t sys_io_uring_enter(struct cpu *cpu, const uint64_t args[6])
{
    if (args[3] & ENTER_EXT_ARG_REG)
        return -EINVAL;
    if (!(uint32_t)args[1] || (args[3] & IORING_ENTER_REGISTERED_RING)) /* no ring is ever registered */
        return enter(cpu, args);
    struct ring *ring = ring_get((int)args[0]);
    if (!ring) /* none, or another program's */
        return fcntl((int)args[0], F_GETFD) < 0 ? -EBADF : -EOPNOTSUPP;
    int64_t result = ring->rings && ring->requests
                         ? submit_and_wait(cpu, ring, args)
                         : enter(cpu, (const uint64_t[6]){args[0], 0, args[2], args[3], args[4], args[5]});
    ring_put(ring);
    return result;
}

/* ---- set up ---- */

int64_t sys_io_uring_setup(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct uring_params params;
    if (guest_copy_in(&params, args[1], sizeof params))
        return -EFAULT;
    if (params.flags & IORING_SETUP_SQPOLL)
        return -EPERM; /* as without CAP_SYS_ADMIN before Linux 5.11 */
    if (params.flags & (~SETUP_KNOWN | SETUP_REGISTERED_FD_ONLY))
        return -EINVAL;
    bool given = params.flags & SETUP_NO_MMAP;
    uint64_t rings = given ? params.cq.user_addr : 0, requests = given ? params.sq.user_addr : 0;
    int64_t fd = HOST_CALL(SYS_io_uring_setup, args[0], (uint64_t)&params);
    if (fd < 0)
        return fd;
    params.features &= FEATURES_KNOWN & ~FEATURE_REG_REG_RING;
    int error = ring_add((int)fd, &params, rings, requests);
    if (!error)
        error = guest_copy_out(args[1], &params, sizeof params);
    if (error)
        close((int)fd);
    return error ? error : fd;
}

/* Operations that aren't passed on aren't there. */
static int64_t show_known(uint64_t addr)
{
    struct io_uring_probe probe;
    struct io_uring_probe_op op;
    if (guest_copy_in(&probe, addr, sizeof probe))
        return -EFAULT;
    for (unsigned i = 0; i < probe.ops_len; i++) {
        uint64_t at = addr + sizeof probe + i * sizeof op;
        if (uring_op_supported(i) || guest_copy_in(&op, at, sizeof op))
            continue;
        op.flags = 0;
        guest_copy_out(at, &op, sizeof op);
    }
    if (probe.last_op >= URING_OPS)
        probe.last_op = URING_OPS - 1;
    return guest_copy_out(addr, &probe, sizeof probe);
}

int64_t sys_io_uring_register(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    unsigned what = (unsigned)args[1];
    if (what == REGISTER_RING_FDS || what == UNREGISTER_RING_FDS || what == REGISTER_RESIZE_RINGS ||
        what == REGISTER_MEM_REGION || what >= REGISTER_QUERY)
        return -EINVAL;
    int64_t result = host_call(SYS_io_uring_register, args);
    return result >= 0 && what == REGISTER_PROBE ? show_known(args[2]) : result;
}
