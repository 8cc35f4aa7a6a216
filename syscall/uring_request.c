/* Requests of io_uring: what is ARM64's in them is replaced while the host's kernel reads them. */
#include "uring.h"

#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "abi.h"
#include "path.h"
#include "task.h"

enum {
    OP_EPOLL_WAIT = 59, /* would write the host's struct epoll_event, at any time */
    OP_PIPE = 62,
    OP_NONE = 0xff, /* completes with -EINVAL */
};

bool uring_op_supported(unsigned op) { return op < URING_OPS && op != OP_EPOLL_WAIT; }

/* ---- what is replaced ---- */

static void batch_change(struct batch *batch, uint64_t at, unsigned bytes, uint64_t old, uint64_t new)
{
    if (old == new || batch->error)
        return;
    if (batch->count == batch->room) {
        size_t room = batch->room * 2 + 16;
        struct change *more = realloc(batch->changes, room * sizeof *more);
        if (!more) {
            batch->error = -ENOMEM;
            return;
        }
        batch->changes = more;
        batch->room = room;
    }
    batch->changes[batch->count++] = (struct change){at, bytes, old, new};
}

/* The pointer at `at` leads to a copy of these bytes. */
static void batch_redirect(struct batch *batch, uint64_t at, uint64_t old, const void *bytes, size_t size)
{
    struct held *held = malloc(sizeof *held + size);
    if (!held) {
        batch->error = -ENOMEM;
        return;
    }
    memcpy(held->bytes, bytes, size);
    held->next = batch->held;
    batch->held = held;
    batch_change(batch, at, 8, old, (uint64_t)(uintptr_t)held->bytes);
}

/* Writes where the old value still is: another thread may have made a new request of one that the kernel
 * took. */
static void exchange(uint64_t at, unsigned bytes, uint64_t old, uint64_t new)
{
    void *to = (void *)(uintptr_t)at;
    uint8_t old1 = (uint8_t)old;
    uint32_t old4 = (uint32_t)old;
    if (bytes == 1)
        __atomic_compare_exchange_n((uint8_t *)to, &old1, (uint8_t) new, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    else if (bytes == 4)
        __atomic_compare_exchange_n((uint32_t *)to, &old4, (uint32_t) new, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    else
        __atomic_compare_exchange_n((uint64_t *)to, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void replace_all(void *arg)
{
    const struct batch *batch = arg;
    for (size_t i = 0; i < batch->count; i++) {
        const struct change *change = &batch->changes[i];
        exchange(change->at, change->bytes, change->old, change->new);
    }
}

static void put_all_back(void *arg)
{
    const struct batch *batch = arg;
    for (size_t i = batch->count; i > 0; i--) {
        const struct change *change = &batch->changes[i - 1];
        exchange(change->at, change->bytes, change->new, change->old);
    }
}

int batch_replace(struct batch *batch)
{
    return batch->error ? batch->error : batch->count ? guest_try(replace_all, batch) : 0;
}

void batch_put_back(struct batch *batch)
{
    if (batch->count)
        guest_try(put_all_back, batch);
}

void batch_free(struct batch *batch)
{
    for (struct held *next; batch->held; batch->held = next) {
        next = batch->held->next;
        free(batch->held);
    }
    free(batch->changes);
}

/* ---- one request ---- */

enum {
    AT_OPCODE = offsetof(struct io_uring_sqe, opcode),
    AT_FD = offsetof(struct io_uring_sqe, fd),
    AT_ADDR2 = offsetof(struct io_uring_sqe, addr2),
    AT_ADDR = offsetof(struct io_uring_sqe, addr),
    AT_LEN = offsetof(struct io_uring_sqe, len),
    AT_FLAGS = offsetof(struct io_uring_sqe, open_flags), /* or another operation's flags */
    AT_ADDR3 = offsetof(struct io_uring_sqe, addr3),
    AT_NOTHING = 0xff,
};

/* Where requests have paths, and the directories that these start from. */
static const struct path_field {
    uint8_t op, path, directory;
    bool follow;
} path_fields[] = {
    {IORING_OP_OPENAT, AT_ADDR, AT_FD, true},         {IORING_OP_OPENAT2, AT_ADDR, AT_FD, true},
    {IORING_OP_STATX, AT_ADDR, AT_FD, true},          {IORING_OP_UNLINKAT, AT_ADDR, AT_FD, false},
    {IORING_OP_MKDIRAT, AT_ADDR, AT_FD, false},       {IORING_OP_RENAMEAT, AT_ADDR, AT_FD, false},
    {IORING_OP_RENAMEAT, AT_ADDR2, AT_LEN, false},    {IORING_OP_LINKAT, AT_ADDR, AT_FD, false},
    {IORING_OP_LINKAT, AT_ADDR2, AT_LEN, false},      {IORING_OP_SYMLINKAT, AT_ADDR2, AT_FD, false},
    {IORING_OP_SETXATTR, AT_ADDR3, AT_NOTHING, true}, {IORING_OP_GETXATTR, AT_ADDR3, AT_NOTHING, true},
};

static uint32_t field4(const struct io_uring_sqe *request, unsigned at)
{
    uint32_t value;
    memcpy(&value, (const char *)request + at, sizeof value);
    return value;
}

static uint64_t field8(const struct io_uring_sqe *request, unsigned at)
{
    uint64_t value;
    memcpy(&value, (const char *)request + at, sizeof value);
    return value;
}

static void refuse(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    batch_change(batch, at + AT_OPCODE, 1, request->opcode, OP_NONE);
}

/* `flags`: for the host's open; 0 in other requests. `own`: the path may lead to where xemu wants it. */
static void convert_path(struct batch *batch, const struct io_uring_sqe *request, uint64_t at,
                         const struct path_field *field, bool opens, uint64_t flags)
{
    struct guest_path path;
    int directory = field->directory == AT_NOTHING ? AT_FDCWD : (int)field4(request, field->directory);
    uint64_t addr = field8(request, field->path);
    bool follow = field->follow && !(opens && (flags & O_NOFOLLOW)) &&
                  !(field->op == IORING_OP_STATX && (request->statx_flags & AT_SYMLINK_NOFOLLOW));
    if (path_get(&path, directory, addr, follow))
        return; /* the kernel will say the same */
    if (opens && path_is_made(&path, flags))
        refuse(batch, request, at); /* what xemu makes would have to be there until the kernel opens it */
    else if (path.host)
        batch_redirect(batch, at + field->path, addr, path.host, strlen(path.host) + 1);
}

static void convert_paths(struct batch *batch, const struct io_uring_sqe *request, uint64_t at, bool opens,
                          uint64_t flags)
{
    for (size_t i = 0; i < sizeof path_fields / sizeof *path_fields; i++) {
        if (path_fields[i].op == request->opcode)
            convert_path(batch, request, at, &path_fields[i], opens, flags);
    }
}

static void convert_open_flags(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    uint64_t flags = host_open_flags(request->open_flags);
    batch_change(batch, at + AT_FLAGS, 4, request->open_flags, flags);
    if (request->opcode == IORING_OP_OPENAT)
        convert_paths(batch, request, at, true, flags);
}

static void convert_open_how(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    struct {
        uint64_t flags, mode, resolve;
        char later[4096 - 24];
    } how;
    if (request->len < 24 || request->len > sizeof how || guest_copy_in(&how, request->addr2, request->len))
        return;
    how.flags = host_open_flags(how.flags);
    batch_redirect(batch, at + AT_ADDR2, request->addr2, &how, request->len);
    if (!how.resolve) /* else relative to a root of the guest's choice: the path isn't ours to replace */
        convert_paths(batch, request, at, true, how.flags);
}

static void convert_epoll_ctl(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    struct arm64_epoll_event guest;
    if (request->len == EPOLL_CTL_DEL || guest_copy_in(&guest, request->addr, sizeof guest))
        return;
    struct host_epoll_event host = {guest.events, guest.data};
    batch_redirect(batch, at + AT_ADDR, request->addr, &host, sizeof host);
}

static void convert_madvise(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    uint64_t end = request->addr + (request->off ? request->off : request->len);
    if (end < request->addr || !guest_range_contains(request->addr, end))
        refuse(batch, request, at);
    else
        guest_code_changed(request->addr, end);
}

void batch_convert(struct batch *batch, const struct io_uring_sqe *request, uint64_t at)
{
    switch (request->opcode) {
    case IORING_OP_OPENAT:
    case OP_PIPE:
        convert_open_flags(batch, request, at);
        break;
    case IORING_OP_OPENAT2:
        convert_open_how(batch, request, at);
        break;
    case IORING_OP_EPOLL_CTL:
        convert_epoll_ctl(batch, request, at);
        break;
    case IORING_OP_MADVISE:
        convert_madvise(batch, request, at);
        break;
    case IORING_OP_CLOSE:
        if (!request->file_index && is_own_fd((uint32_t)request->fd))
            batch_change(batch, at + AT_FD, 4, (uint32_t)request->fd, UINT32_MAX);
        break;
    default:
        if (!uring_op_supported(request->opcode))
            refuse(batch, request, at);
        else
            convert_paths(batch, request, at, false, 0);
    }
}
