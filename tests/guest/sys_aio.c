/* Asynchronous input and output of the kernel (io_submit), with the ring that the C libraries of it read. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

enum { BLOCKS = 16, SIZE = 4096 };

static aio_context_t context;
static char data[BLOCKS][SIZE], back[BLOCKS][SIZE];

/* What libaio looks at before it makes a system call. */
struct ring {
    unsigned id, count, head, tail, magic, compatible, incompatible, header;
};

static long submit(struct iocb *request) { return syscall(SYS_io_submit, context, 1, &request); }
static long events(long least, struct io_event *event, long count, struct timespec *wait)
{
    return syscall(SYS_io_getevents, context, least, count, event, wait);
}

static void writes_and_reads(void)
{
    struct io_event event[BLOCKS];
    int fd = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600), seen = 0;
    for (int write = 1; write >= 0; write--) {
        for (int i = 0; i < BLOCKS; i++) {
            memset(data[i], 'a' + i, SIZE);
            struct iocb request = {.aio_data = i,
                                   .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                                   .aio_fildes = fd,
                                   .aio_buf = (uintptr_t)(write ? data[i] : back[i]),
                                   .aio_nbytes = SIZE,
                                   .aio_offset = i * SIZE};
            CHECK(submit(&request), 1);
        }
        CHECK(events(BLOCKS, event, BLOCKS, NULL), BLOCKS);
        for (int i = 0; i < BLOCKS; i++) {
            CHECK(event[i].res, SIZE);
            seen |= 1 << event[i].data;
        }
        CHECK(seen, (1 << BLOCKS) - 1);
    }
    CHECK(memcmp(data, back, sizeof data), 0);
    close(fd);
}

static void the_ring_is_readable(void)
{
    const struct ring *ring = (const struct ring *)context;
    CHECK(ring->magic, 0xa10a10a1);
    CHECK(ring->head, ring->tail);
}

static void polls_and_tells_an_eventfd(void)
{
    struct io_event event = {0};
    uint64_t count = 0;
    int told = eventfd(0, 0), polled = eventfd(0, 0);
    struct iocb request = {.aio_data = 77,
                           .aio_lio_opcode = IOCB_CMD_POLL,
                           .aio_fildes = polled,
                           .aio_buf = POLLIN,
                           .aio_flags = IOCB_FLAG_RESFD,
                           .aio_resfd = told};
    CHECK(submit(&request), 1);
    CHECK(events(0, &event, 1, &(struct timespec){0}), 0);
    CHECK(write(polled, &(uint64_t){1}, 8), 8);
    CHECK(events(1, &event, 1, NULL), 1);
    CHECK(event.data, 77);
    CHECK(event.res & POLLIN, POLLIN);
    CHECK(read(told, &count, 8), 8);
    CHECK(count, 1);
}

static void errors(void)
{
    struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = 99};
    CHECK_ERRNO(submit(&request), EBADF);
    CHECK_ERRNO(syscall(SYS_io_submit, context, 1, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_io_getevents, 0x1234567000, 1, 1, &request, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_io_setup, 1, &context), EINVAL); /* must be 0 */
}

static volatile int blocked_in_handler = -1;
static void on_signal(int signo)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    blocked_in_handler = sigismember(&now, SIGUSR2);
}

/* The signal is blocked but in the call; its handler runs under the call's mask. */
static void waits_under_a_mask(void)
{
    sigset_t blocked, during;
    struct io_event event;
    struct timespec wait = {5, 0};
    signal(SIGUSR1, on_signal);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(&during);
    sigaddset(&during, SIGUSR2);
    struct {
        const sigset_t *set;
        size_t size;
    } mask = {&during, 8};
    raise(SIGUSR1);
    CHECK_ERRNO(syscall(SYS_io_pgetevents, context, 1, 1, &event, &wait, &mask), EINTR);
    CHECK(blocked_in_handler, 1);
    sigprocmask(SIG_SETMASK, NULL, &during);
    CHECK(sigismember(&during, SIGUSR1), 1);
    CHECK(sigismember(&during, SIGUSR2), 0);
    mask.size = 7;
    CHECK_ERRNO(syscall(SYS_io_pgetevents, context, 1, 1, &event, &wait, &mask), EINVAL);
}

int main(void)
{
    if (syscall(SYS_io_setup, BLOCKS, &context) < 0) /* the kernel may lack it */
        return check_end();
    writes_and_reads();
    the_ring_is_readable();
    polls_and_tells_an_eventfd();
    errors();
    waits_under_a_mask();
    CHECK(syscall(SYS_io_destroy, context), 0);
    CHECK_ERRNO(syscall(SYS_io_destroy, context), EINVAL);
    return check_end();
}
