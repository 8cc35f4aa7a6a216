/* When a guest dies with a core dump: whether it gets a file, where, and what the host's kernel does
 * meanwhile.
 *
 * The kernel's dump would be one of xemu. But the parent learns from the kernel alone that there was a dump
 * (WCOREDUMP), so there has to be one exactly when the guest's file was begun: it goes, cut to one page, into
 * a directory of its own that a process left behind removes. */
#include "coredump.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "task.h"

enum {
    LEAST_LIMIT = 4096, /* below a page (ELF_EXEC_PAGESIZE) there is no core file */
    SETTLE_MS = 1000,   /* other threads get so long to leave compiled code */
    PATTERN_MAX = 256,
};

static volatile bool dumping;

/* ---- the other threads ---- */

void coredump_park(struct task *task)
{
    if (!dumping || task->vfork_child)
        return;
    task->parked = true;
    for (;;)
        host_raw(SYS_pause, 0, 0, 0, 0);
}

/* A thread that sleeps in the kernel doesn't change its registers. */
static bool is_asleep(int tid)
{
    char path[64], first = 'r';
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read_one = fd >= 0 && read(fd, &first, 1) == 1;
    if (fd >= 0)
        close(fd);
    return read_one && first != 'r'; /* "running" */
}

static bool is_settled(const struct task *task) { return task->parked || !task->tid || is_asleep(task->tid); }

static void stop_others(const struct task *dying, const struct task *threads)
{
    static const struct timespec step = {.tv_nsec = 1000 * 1000};
    for (const struct task *task = threads; task; task = task->next) {
        if (task != dying)
            __atomic_fetch_or(&task->cpu->stop, STOP_SIGNAL, __ATOMIC_SEQ_CST);
    }
    int waited = 0;
    for (const struct task *task = threads; task; task = task->next) {
        for (; task != dying && !is_settled(task) && waited < SETTLE_MS; waited++)
            nanosleep(&step, NULL);
    }
}

/* ---- where ---- */

static void read_line(const char *path, char *line, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, line, size - 1);
    if (fd >= 0)
        close(fd);
    line[length > 0 ? length : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

/* Programs and sockets that take core dumps want them from the kernel. */
static bool is_handler(const char *pattern) { return *pattern == '|' || *pattern == '@'; }

static bool make_name(char name[PATH_MAX], const char *pattern, int signo, uint64_t limit)
{
    char host[HOST_NAME_MAX + 1] = "", comm[17] = "", with_pid[8];
    gethostname(host, sizeof host - 1);
    read_line("/proc/self/comm", comm, sizeof comm);
    read_line("/proc/sys/kernel/core_uses_pid", with_pid, sizeof with_pid);
    struct core_facts facts = {
        .pid = getpid(),
        .tid = (pid_t)host_raw(SYS_gettid, 0, 0, 0, 0),
        .uid = getuid(),
        .gid = getgid(),
        .signo = signo,
        .time = time(NULL),
        .limit = limit,
        .cpu = sched_getcpu(),
        .host = host,
        .comm = comm,
        .path = guest_image.path,
        .pid_appended = with_pid[0] == '1',
    };
    return core_name(name, PATH_MAX, pattern, &facts);
}

/* As the kernel: never into a file that is there already, nor through a link. */
static int create(const char *name)
{
    unlink(name);
    return open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* ---- the kernel's own dump ---- */

static void limit_host(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
}

static void filter_host(const struct task *task)
{
    if (task->vfork_child) /* the filter is a property of the memory, which is its parent's, too */
        return;
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "0", 1) != 1)
        limit_host(0);
    close(fd);
}

/* The remover's whole life; it has no lock of the C library's. */
static _Noreturn void remove_when_dead(const char *directory, int fd, int alive)
{
    char buffer[2048] __attribute__((aligned(8)));
    host_raw(SYS_setsid, 0, 0, 0, 0);
    fd = (int)host_raw(SYS_fcntl, (uint64_t)fd, F_DUPFD, 2, 0);
    alive = (int)host_raw(SYS_fcntl, (uint64_t)alive, F_DUPFD, 2, 0);
    host_raw(SYS_dup3, (uint64_t)fd, 0, 0, 0);
    host_raw(SYS_dup3, (uint64_t)alive, 1, 0, 0);
    host_raw(SYS_close_range, 2, UINT32_MAX, 0, 0); /* the guest's, too: somebody may wait for their end */
    while (host_raw(SYS_read, 1, (uint64_t)buffer, 1, 0) == -EINTR)
        ;
    int64_t length = host_raw(SYS_getdents64, 0, (uint64_t)buffer, sizeof buffer, 0);
    for (int64_t at = 0; at < length;) {
        const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
        host_raw(SYS_unlinkat, 0, (uint64_t)entry->d_name, 0, 0);
        at += entry->d_reclen;
    }
    host_raw(SYS_rmdir, (uint64_t)directory, 0, 0, 0);
    _exit(0);
}

/* Makes an empty directory that is removed when this process is dead; its descriptor, or -1. */
static int private_directory(void)
{
    static const char *const places[] = {"/dev/shm", "/tmp", "/var/tmp", "."};
    char path[64];
    int fd = -1, pipe_ends[2];
    for (size_t i = 0; fd < 0 && i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/xemu-core-XXXXXX", places[i]);
        if (mkdtemp(path))
            fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0 || pipe2(pipe_ends, O_CLOEXEC))
        return -1;
    int64_t remover =
        host_raw(SYS_clone, 0, 0, 0, 0); /* without an exit signal: nobody's child in the guest's eyes */
    if (remover == 0)
        remove_when_dead(path, fd, pipe_ends[0]);
    if (remover < 0) {
        rmdir(path);
        return -1;
    }
    return fd; /* the write end stays open as long as this process lives */
}

/* Lets the directories of the pattern lead to the directory itself. */
static void fold_directories(int fd, const char *name)
{
    char part[NAME_MAX + 1];
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        size_t length = (size_t)(slash - name);
        if (length == 0 || length >= sizeof part)
            continue;
        memcpy(part, name, length);
        part[length] = '\0';
        symlinkat(".", fd, part);
    }
}

/* For an absolute name the directory becomes the root; for this a process without rights needs a user
 * namespace, which is refused to one with several threads. */
static bool enter(int fd, bool absolute)
{
    if (host_raw(SYS_unshare, CLONE_FS, 0, 0, 0) || fchdir(fd))
        return false;
    if (!absolute || chroot(".") == 0)
        return true;
    return host_raw(SYS_unshare, CLONE_NEWUSER, 0, 0, 0) == 0 && chroot(".") == 0;
}

static void throw_host_dump_away(const char *name)
{
    int fd = private_directory();
    if (fd < 0) {
        limit_host(0);
        return;
    }
    fold_directories(fd, name);
    limit_host(enter(fd, name[0] == '/') ? LEAST_LIMIT : 0);
}

/* ---- the decision ---- */

/* The first process of a PID namespace ignores what isn't an exception. */
static bool survives(const siginfo_t *info) { return getpid() == 1 && info->si_code <= 0; }

static void write_file(struct task *task, const siginfo_t *info, const char *pattern, uint64_t limit)
{
    char name[PATH_MAX];
    bool by_handler = is_handler(pattern);
    int fd = -1;
    if (make_name(name, by_handler || !*pattern ? "core" : pattern, info->si_signo, limit))
        fd = create(name);
    if (fd >= 0) {
        dumping = !task->vfork_child;
        struct task *threads = task->vfork_child ? NULL : threads_lock();
        stop_others(task, threads);
        core_write(fd, task, threads, info, limit); /* like the kernel's, it may be cut */
        if (threads)
            threads_unlock();
        close(fd);
    }
    if (by_handler)
        filter_host(task);
    else if (fd >= 0)
        throw_host_dump_away(name);
    else
        limit_host(0);
}

void coredump(struct task *task, const siginfo_t *info)
{
    static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
    char pattern[PATTERN_MAX];
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_cur < LEAST_LIMIT || survives(info))
        return;
    if (!task->vfork_child)
        pthread_mutex_lock(&first); /* others that die, too, wait for the end */
    read_line("/proc/sys/kernel/core_pattern", pattern, sizeof pattern);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
        write_file(task, info, pattern, limit.rlim_cur);
    else if (!is_handler(pattern))
        limit_host(0);
}
