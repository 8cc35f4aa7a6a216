/* io_uring with bare system calls: what the rings hold is the same on all architectures but for open flags,
 * struct epoll_event, and what a program's own paths lead to. */
// dynamic
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "check.h"

enum { ENTRIES = 64, NO_SQARRAY = 1 << 16 };

struct ring {
    int fd;
    unsigned flags, entries, shift, *sq_head, *sq_tail, *sq_array, sq_mask, *cq_head, *cq_tail, cq_mask;
    char *rings, *sqes, *cqes;
    size_t bytes, cqe_bytes;
    unsigned pending;
};

static int ring_open(struct ring *ring, unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    memset(ring, 0, sizeof *ring);
    ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
    if (ring->fd < 0)
        return -errno;
    ring->flags = flags;
    ring->shift = flags & IORING_SETUP_SQE128 ? 7 : 6;
    ring->cqe_bytes = flags & IORING_SETUP_CQE32 ? 32 : 16;
    ring->bytes = params.cq_off.cqes + params.cq_entries * ring->cqe_bytes;
    if (params.sq_off.array + params.sq_entries * 4 > ring->bytes)
        ring->bytes = params.sq_off.array + params.sq_entries * 4;
    ring->rings = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
                       IORING_OFF_SQ_RING);
    ring->entries = params.sq_entries;
    ring->sqes = mmap(NULL, ENTRIES << ring->shift, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      ring->fd, IORING_OFF_SQES);
    ring->sq_head = (unsigned *)(ring->rings + params.sq_off.head);
    ring->sq_tail = (unsigned *)(ring->rings + params.sq_off.tail);
    ring->sq_array = (unsigned *)(ring->rings + params.sq_off.array);
    ring->sq_mask = *(unsigned *)(ring->rings + params.sq_off.ring_mask);
    ring->cq_head = (unsigned *)(ring->rings + params.cq_off.head);
    ring->cq_tail = (unsigned *)(ring->rings + params.cq_off.tail);
    ring->cq_mask = *(unsigned *)(ring->rings + params.cq_off.ring_mask);
    ring->cqes = ring->rings + params.cq_off.cqes;
    return 0;
}

static void ring_close(struct ring *ring)
{
    munmap(ring->rings, ring->bytes);
    munmap(ring->sqes, ENTRIES << ring->shift);
    close(ring->fd);
}

/* Slots are used from the last to the first, so that an index isn't its place in the ring. */
static struct io_uring_sqe *next(struct ring *ring, int op, int fd, const void *addr, unsigned len,
                                 uint64_t off)
{
    unsigned tail = *ring->sq_tail + ring->pending++, place = tail & ring->sq_mask;
    unsigned index = ring->flags & NO_SQARRAY ? place : ring->entries - 1 - place;
    struct io_uring_sqe *sqe = (void *)(ring->sqes + ((size_t)index << ring->shift));
    memset(sqe, 0, (size_t)1 << ring->shift);
    if (!(ring->flags & NO_SQARRAY))
        ring->sq_array[place] = index;
    sqe->opcode = op;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)addr;
    sqe->len = len;
    sqe->off = off;
    return sqe;
}

static long enter(struct ring *ring, unsigned wait)
{
    unsigned count = ring->pending;
    __atomic_store_n(ring->sq_tail, *ring->sq_tail + count, __ATOMIC_RELEASE);
    ring->pending = 0;
    return syscall(SYS_io_uring_enter, ring->fd, count, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 8);
}

/* The next completion's result; user_data into *data. */
static int completed(struct ring *ring, uint64_t *data)
{
    unsigned head = *ring->cq_head;
    if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
        return -99999;
    struct io_uring_cqe *cqe = (void *)(ring->cqes + (head & ring->cq_mask) * ring->cqe_bytes);
    int result = cqe->res;
    if (data)
        *data = cqe->user_data;
    __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
    return result;
}

/* Submits the one request and returns its result. */
static int done(struct ring *ring)
{
    CHECK(enter(ring, 1), 1);
    return completed(ring, NULL);
}

/* ---- parts ---- */

static void reads_and_writes(struct ring *ring)
{
    char text[32] = "", half[4];
    uint64_t data;
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    next(ring, IORING_OP_NOP, -1, NULL, 0, 0)->user_data = 0x123456789abcdef;
    CHECK(enter(ring, 1), 1);
    CHECK(completed(ring, &data), 0);
    CHECK(data, 0x123456789abcdef);
    next(ring, IORING_OP_WRITE, fd, "hello world", 11, 0);
    CHECK(done(ring), 11);
    next(ring, IORING_OP_READ, fd, text, sizeof text, 6);
    CHECK(done(ring), 5);
    CHECK(strcmp(text, "world"), 0);
    struct iovec parts[2] = {{half, 4}, {text, 4}};
    next(ring, IORING_OP_READV, fd, parts, 2, 0);
    CHECK(done(ring), 8);
    CHECK(memcmp(half, "hell", 4) | memcmp(text, "o wo", 4), 0);
    next(ring, IORING_OP_FSYNC, fd, NULL, 0, 0);
    CHECK(done(ring), 0);
    next(ring, IORING_OP_READ, fd, (void *)8, 4, 0);
    CHECK(done(ring), -EFAULT);
    next(ring, IORING_OP_CLOSE, fd, NULL, 0, 0);
    CHECK(done(ring), 0);
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
}

static int opens(struct ring *ring, const char *path, int flags, int how)
{
    struct {
        uint64_t flags, mode, resolve;
    } open_how = {flags, 0, 0};
    if (how)
        next(ring, IORING_OP_OPENAT2, AT_FDCWD, path, sizeof open_how, (uintptr_t)&open_how);
    else
        next(ring, IORING_OP_OPENAT, AT_FDCWD, path, 0, 0)->open_flags = flags;
    int fd = done(ring);
    if (fd >= 0) {
        CHECK(fcntl(fd, F_GETFL) & (O_DIRECTORY | O_NOFOLLOW | O_DIRECT),
              flags & (O_DIRECTORY | O_NOFOLLOW | O_DIRECT));
        close(fd);
    }
    return fd < 0 ? fd : 0;
}

static void open_flags_are_the_guests(struct ring *ring)
{
    mkdir("dir", 0755);
    symlink("file", "link");
    close(open("file", O_RDWR | O_CREAT, 0644));
    for (int how = 0; how < 2; how++) {
        CHECK(opens(ring, "file", O_RDONLY, how), 0);
        CHECK(opens(ring, "dir", O_RDONLY | O_DIRECTORY, how), 0);
        CHECK(opens(ring, "file", O_RDONLY | O_DIRECTORY, how), -ENOTDIR);
        CHECK(opens(ring, "link", O_RDONLY, how), 0);
        CHECK(opens(ring, "link", O_RDONLY | O_NOFOLLOW, how), -ELOOP);
        CHECK(opens(ring, "dir", O_RDONLY | O_NOFOLLOW, how), 0);
        CHECK(opens(ring, "file", O_RDONLY | O_LARGEFILE, how), 0);
        CHECK(opens(ring, "none", O_RDONLY, how), -ENOENT);
        CHECK(opens(ring, "/tmp", O_RDWR | O_TMPFILE, how) <= 0, 1);
        int direct = open("file", O_RDONLY | O_DIRECT); /* not every file system can */
        close(direct);
        CHECK(opens(ring, "file", O_RDONLY | O_DIRECT, how), direct < 0 ? -EINVAL : 0);
    }
}

/* The kernel doesn't change requests: one may be submitted again as it is. */
static void requests_stay_what_they_are(struct ring *ring)
{
    struct io_uring_sqe before, *sqe = next(ring, IORING_OP_OPENAT, AT_FDCWD, "dir", 0, 0);
    sqe->open_flags = O_RDONLY | O_DIRECTORY;
    before = *sqe;
    for (int i = 0; i < 3; i++) {
        int fd = done(ring);
        CHECK(fd >= 0, 1);
        close(fd);
        CHECK(memcmp(&before, sqe, sizeof before), 0);
        struct io_uring_sqe *again = next(ring, IORING_OP_NOP, -1, NULL, 0, 0);
        *again = before;
        sqe = again;
    }
    CHECK(done(ring) >= 0, 1);
}

static void paths_of_other_requests(struct ring *ring)
{
    struct statx info;
    char value[8] = "";
    next(ring, IORING_OP_STATX, AT_FDCWD, "dir", STATX_BASIC_STATS, (uintptr_t)&info)->statx_flags = 0;
    CHECK(done(ring), 0);
    CHECK(S_ISDIR(info.stx_mode), 1);
    next(ring, IORING_OP_STATX, AT_FDCWD, "link", STATX_BASIC_STATS, (uintptr_t)&info)->statx_flags =
        AT_SYMLINK_NOFOLLOW;
    CHECK(done(ring), 0);
    CHECK(S_ISLNK(info.stx_mode), 1);
    next(ring, IORING_OP_MKDIRAT, AT_FDCWD, "new", 0755, 0);
    CHECK(done(ring), 0);
    next(ring, IORING_OP_RENAMEAT, AT_FDCWD, "new", AT_FDCWD, (uintptr_t) "renamed");
    CHECK(done(ring), 0);
    next(ring, IORING_OP_UNLINKAT, AT_FDCWD, "renamed", 0, 0)->unlink_flags = AT_REMOVEDIR;
    CHECK(done(ring), 0);
    next(ring, IORING_OP_SYMLINKAT, AT_FDCWD, "file", 0, (uintptr_t) "link2");
    CHECK(done(ring), 0);
    CHECK(readlink("link2", value, sizeof value), 4);
    next(ring, IORING_OP_LINKAT, AT_FDCWD, "file", AT_FDCWD, (uintptr_t) "hard");
    CHECK(done(ring), 0);
    CHECK(access("hard", F_OK), 0);
    next(ring, IORING_OP_STATX, AT_FDCWD, "/proc/self/exe", STATX_BASIC_STATS, (uintptr_t)&info)
        ->statx_flags = 0;
    CHECK(done(ring), 0);
    struct stat own;
    CHECK(stat("/proc/self/exe", &own), 0);
    CHECK(info.stx_ino == own.st_ino && info.stx_size == own.st_size, 1);
}

/* Opened like this it is this program, not what runs it. */
static void own_program(struct ring *ring)
{
    unsigned char head[20] = "";
    next(ring, IORING_OP_OPENAT, AT_FDCWD, "/proc/self/exe", 0, 0)->open_flags = O_RDONLY;
    int fd = done(ring);
    CHECK(fd >= 0, 1);
    CHECK(pread(fd, head, sizeof head, 0), sizeof head);
#ifdef __aarch64__
    CHECK(head[18], 183); /* EM_AARCH64 */
    /* What xemu would have to make while the kernel opens it. */
    next(ring, IORING_OP_OPENAT, AT_FDCWD, "/proc/self/maps", 0, 0)->open_flags = O_RDONLY;
    CHECK(done(ring), -EINVAL);
#else
    CHECK(head[18], 62);
#endif
    close(fd);
    /* With a prefix for paths, xemu has this file. */
    const char *loader = "/lib/ld-linux-aarch64.so.1";
    int plain = open(loader, O_RDONLY);
    CHECK(opens(ring, loader, O_RDONLY, 0), plain < 0 ? -ENOENT : 0);
    CHECK(opens(ring, loader, O_RDONLY, 1), plain < 0 ? -ENOENT : 0);
    close(plain);
}

static void epoll_events_are_the_guests(struct ring *ring)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, got = {0};
    int event_fd = eventfd(1, 0), epoll_fd = epoll_create1(0);
    struct io_uring_sqe *sqe = next(ring, IORING_OP_EPOLL_CTL, epoll_fd, &event, EPOLL_CTL_ADD, event_fd);
    CHECK(done(ring), 0);
    CHECK(sqe->addr == (uintptr_t)&event, 1);
    CHECK(epoll_wait(epoll_fd, &got, 1, 0), 1);
    CHECK(got.events, EPOLLIN);
    CHECK(got.data.u64, 0x1122334455667788);
    event.events = EPOLLOUT;
    event.data.u64 = 7;
    next(ring, IORING_OP_EPOLL_CTL, epoll_fd, &event, EPOLL_CTL_MOD, event_fd);
    CHECK(done(ring), 0);
    CHECK(epoll_wait(epoll_fd, &got, 1, 0), 1);
    CHECK(got.events == EPOLLOUT && got.data.u64 == 7, 1);
    next(ring, IORING_OP_EPOLL_CTL, epoll_fd, NULL, EPOLL_CTL_DEL, event_fd);
    CHECK(done(ring), 0);
    CHECK(epoll_wait(epoll_fd, &got, 1, 0), 0);
    next(ring, IORING_OP_EPOLL_CTL, epoll_fd, (void *)16, EPOLL_CTL_ADD, event_fd);
    CHECK(done(ring), -EFAULT);
    close(epoll_fd);
    close(event_fd);
}

static void timeouts_and_links(struct ring *ring)
{
    struct timespec soon = {0, 20000000}, late = {100, 0};
    uint64_t data;
    int pipes[2];
    char byte;
    pipe(pipes);
    next(ring, IORING_OP_TIMEOUT, -1, &soon, 1, 0);
    CHECK(done(ring), -ETIME);
    /* A read that nothing comes for, and its timeout. */
    struct io_uring_sqe *sqe = next(ring, IORING_OP_READ, pipes[0], &byte, 1, 0);
    sqe->flags = IOSQE_IO_LINK;
    sqe->user_data = 1;
    next(ring, IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0)->user_data = 2;
    CHECK(enter(ring, 2), 2);
    for (int i = 0; i < 2; i++) {
        int result = completed(ring, &data);
        CHECK(result, data == 1 ? -ECANCELED : -ETIME);
    }
    /* What follows a failure is cancelled. */
    sqe = next(ring, IORING_OP_OPENAT, AT_FDCWD, "none", 0, 0);
    sqe->open_flags = O_DIRECTORY;
    sqe->flags = IOSQE_IO_LINK;
    next(ring, IORING_OP_WRITE, pipes[1], "x", 1, 0);
    CHECK(enter(ring, 2), 2);
    CHECK(completed(ring, NULL), -ENOENT);
    CHECK(completed(ring, NULL), -ECANCELED);
    /* A chain in order. */
    for (int i = 0; i < 5; i++)
        next(ring, IORING_OP_WRITE, pipes[1], &"abcde"[i], 1, 0)->flags = i < 4 ? IOSQE_IO_LINK : 0;
    CHECK(enter(ring, 5), 5);
    for (int i = 0; i < 5; i++)
        CHECK(completed(ring, NULL), 1);
    char text[8] = "";
    CHECK(read(pipes[0], text, 5), 5);
    CHECK(strcmp(text, "abcde"), 0);
    next(ring, IORING_OP_TIMEOUT, -1, &late, 1, 0)->user_data = 5;
    next(ring, IORING_OP_TIMEOUT_REMOVE, -1, (void *)5, 0, 0)->user_data = 6;
    CHECK(enter(ring, 2), 2);
    for (int i = 0; i < 2; i++) {
        int result = completed(ring, &data);
        CHECK(result, data == 5 ? -ECANCELED : 0);
    }
    close(pipes[0]);
    close(pipes[1]);
}

static void polls(struct ring *ring)
{
    int event_fd = eventfd(0, 0);
    uint64_t one = 1;
    next(ring, IORING_OP_POLL_ADD, event_fd, NULL, 0, 0)->poll32_events = POLLIN;
    CHECK(enter(ring, 0), 1);
    CHECK(completed(ring, NULL), -99999);
    write(event_fd, &one, 8);
    CHECK(enter(ring, 1), 0);
    CHECK(completed(ring, NULL), POLLIN);
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_EVENTFD, &event_fd, 1), 0);
    read(event_fd, &one, 8);
    next(ring, IORING_OP_NOP, -1, NULL, 0, 0);
    CHECK(done(ring), 0);
    CHECK(read(event_fd, &one, 8), 8);
    CHECK(one, 1);
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_EVENTFD, NULL, 0), 0);
    close(event_fd);
}

static void sockets(struct ring *ring)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNIX};
    strcpy((char *)&addr + 3, "xemu io_uring"); /* abstract: its name begins with a zero byte */
    sprintf((char *)&addr + 16, "%d", getpid());
    socklen_t length = 32;
    char text[8] = "";
    uint64_t data;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), server = -1;
    CHECK(bind(listener, (struct sockaddr *)&addr, length), 0);
    CHECK(listen(listener, 5), 0);
    struct io_uring_sqe *sqe = next(ring, IORING_OP_ACCEPT, listener, NULL, 0, 0);
    sqe->accept_flags = SOCK_CLOEXEC;
    sqe->user_data = 1;
    next(ring, IORING_OP_CONNECT, client, &addr, 0, length)->user_data = 2;
    CHECK(enter(ring, 2), 2);
    for (int i = 0; i < 2; i++) {
        int result = completed(ring, &data);
        if (data == 1)
            server = result;
        else
            CHECK(result, 0);
    }
    CHECK(fcntl(server, F_GETFD), FD_CLOEXEC);
    next(ring, IORING_OP_SEND, client, "ping", 4, 0);
    CHECK(done(ring), 4);
    next(ring, IORING_OP_RECV, server, text, sizeof text, 0);
    CHECK(done(ring), 4);
    CHECK(strcmp(text, "ping"), 0);
    struct iovec part = {"pong", 4}, into = {text, 8};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1}, answer = {.msg_iov = &into, .msg_iovlen = 1};
    next(ring, IORING_OP_SENDMSG, server, &message, 1, 0);
    CHECK(done(ring), 4);
    next(ring, IORING_OP_RECVMSG, client, &answer, 1, 0);
    CHECK(done(ring), 4);
    CHECK(memcmp(text, "pong", 4), 0);
    close(listener);
    close(client);
    close(server);
}

static void fixed_buffers_and_files(struct ring *ring)
{
    static char buffers[2][4096] __attribute__((aligned(4096)));
    struct iovec vectors[2] = {{buffers[0], 4096}, {buffers[1], 4096}};
    int file = open("file", O_RDWR), files[2] = {file, -1};
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, vectors, 2), 0);
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, files, 2), 0);
    strcpy(buffers[0], "fixed");
    struct io_uring_sqe *sqe = next(ring, IORING_OP_WRITE_FIXED, 0, buffers[0], 5, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    CHECK(done(ring), 5);
    sqe = next(ring, IORING_OP_READ_FIXED, 0, buffers[1], 5, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->buf_index = 1;
    CHECK(done(ring), 5);
    CHECK(strcmp(buffers[1], "fixed"), 0);
    /* Opened into a fixed slot. */
    sqe = next(ring, IORING_OP_OPENAT, AT_FDCWD, "dir", 0, 0);
    sqe->open_flags = O_RDONLY | O_DIRECTORY;
    sqe->file_index = 2;
    CHECK(done(ring), 0);
    sqe = next(ring, IORING_OP_FSYNC, 1, NULL, 0, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    CHECK(done(ring), 0);
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
    close(file);
}

static volatile int signals;
static void on_signal(int signo) { signals++; }

static void waits_are_interrupted(struct ring *ring)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct timespec late = {0, 300000000};
    struct {
        uint64_t mask;
        uint32_t size, pad;
        uint64_t time;
    } more = {0};
    sigset_t open;
    uint64_t empty = 0;
    sigaction(SIGALRM, &action, NULL);
    ualarm(30000, 0);
    errno = 0;
    CHECK(syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8), -1);
    CHECK(errno, EINTR);
    CHECK(signals, 1);
    /* Blocked but for the time of the wait. */
    sigemptyset(&open);
    sigaddset(&open, SIGALRM);
    sigprocmask(SIG_BLOCK, &open, NULL);
    raise(SIGALRM);
    CHECK(signals, 1);
    errno = 0;
    CHECK(syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, &empty, 8), -1);
    CHECK(errno, EINTR);
    CHECK(signals, 2);
    sigprocmask(SIG_SETMASK, NULL, &open);
    CHECK(sigismember(&open, SIGALRM), 1);
    /* The same, with a request, and with the long form of the argument. */
    raise(SIGALRM);
    more.mask = (uintptr_t)&empty;
    more.size = 8;
    next(ring, IORING_OP_OPENAT, AT_FDCWD, "dir", 0, 0)->open_flags = O_DIRECTORY;
    *ring->sq_tail += ring->pending;
    ring->pending = 0;
    CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, 5, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &more,
                  sizeof more),
          1);
    CHECK(signals, 3);
    int fd = completed(ring, NULL);
    CHECK(fd >= 0, 1);
    close(fd);
    more = (typeof(more)){.time = (uintptr_t)&late};
    errno = 0;
    CHECK(syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &more,
                  sizeof more),
          -1);
    CHECK(errno, ETIME);
    sigemptyset(&open);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

/* Threads that share a ring under a lock, one of which waits in the kernel without it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int answers;

static void *waits_for_all(void *arg)
{
    struct ring *ring = arg;
    while (answers < 200) {
        syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8);
        for (int fd; (fd = completed(ring, NULL)) != -99999; answers++) {
            CHECK(fd >= 0, 1);
            close(fd);
        }
    }
    return NULL;
}

static void *opens_directories(void *arg)
{
    struct ring *ring = arg;
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&lock);
        next(ring, IORING_OP_OPENAT, AT_FDCWD, "dir", 0, 0)->open_flags = O_DIRECTORY | O_NOFOLLOW;
        CHECK(enter(ring, 0), 1);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void threads_share_a_ring(struct ring *ring)
{
    pthread_t waiter, opener[4];
    pthread_create(&waiter, NULL, waits_for_all, ring);
    for (int i = 0; i < 4; i++)
        pthread_create(&opener[i], NULL, opens_directories, ring);
    for (int i = 0; i < 4; i++)
        pthread_join(opener[i], NULL);
    pthread_join(waiter, NULL);
    CHECK(answers, 200);
}

static void child_uses_the_ring(void *arg)
{
    struct ring *ring = arg;
    next(ring, IORING_OP_OPENAT, AT_FDCWD, "file", 0, 0)->open_flags = O_DIRECTORY;
    CHECK(done(ring), -ENOTDIR);
}

static void what_is_there(struct ring *ring)
{
    struct {
        struct io_uring_probe probe;
        struct io_uring_probe_op op[256];
    } known = {0};
    CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_PROBE, &known, 256), 0);
    CHECK(known.op[IORING_OP_OPENAT].flags, IO_URING_OP_SUPPORTED);
    CHECK(known.op[IORING_OP_EPOLL_CTL].flags, IO_URING_OP_SUPPORTED);
#ifdef __aarch64__
    CHECK(known.op[59].flags, 0); /* EPOLL_WAIT */
    CHECK(known.probe.last_op < 63, 1);
    next(ring, 59, -1, NULL, 0, 0);
    CHECK(done(ring), -EINVAL);
    struct io_uring_params poll = {.flags = IORING_SETUP_SQPOLL};
    CHECK_ERRNO(syscall(SYS_io_uring_setup, 4, &poll), EPERM);
#endif
    next(ring, 200, -1, NULL, 0, 0);
    CHECK(done(ring), -EINVAL);
    struct io_uring_params strange = {.flags = 1u << 31};
    CHECK_ERRNO(syscall(SYS_io_uring_setup, 4, &strange), EINVAL);
    CHECK_ERRNO(syscall(SYS_io_uring_setup, 4, (void *)8), EFAULT);
    CHECK_ERRNO(syscall(SYS_io_uring_enter, 900, 1, 0, 0, NULL, 8), EBADF);
    CHECK_ERRNO(syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 8), EOPNOTSUPP);
    CHECK_ERRNO(syscall(SYS_io_uring_register, ring->fd, 900, NULL, 0), EINVAL);
}

static void all(struct ring *ring)
{
    reads_and_writes(ring);
    open_flags_are_the_guests(ring);
    requests_stay_what_they_are(ring);
    paths_of_other_requests(ring);
    own_program(ring);
    epoll_events_are_the_guests(ring);
    timeouts_and_links(ring);
    polls(ring);
    sockets(ring);
    fixed_buffers_and_files(ring);
    unlink("hard");
    unlink("link2");
}

int main(void)
{
    static const unsigned flags[] = {0, NO_SQARRAY, IORING_SETUP_SQE128 | IORING_SETUP_CQE32};
    struct ring ring;
    int error = ring_open(&ring, 0);
    if (error == -EPERM || error == -ENOSYS || error == -EACCES) {
        printf("%d\n", error); /* the host hasn't it, or not for us */
        return 0;
    }
    CHECK(error, 0);
    what_is_there(&ring);
    ring_close(&ring);
    for (int i = 0; i < 3; i++) {
        if (ring_open(&ring, flags[i])) /* an older kernel */
            continue;
        all(&ring);
        ring_close(&ring);
    }
    CHECK(ring_open(&ring, 0), 0);
    waits_are_interrupted(&ring);
    threads_share_a_ring(&ring);
    CHECK(in_child(child_uses_the_ring, &ring), 0);
    ring_close(&ring);
    return check_end();
}
