/* RLIMIT_AS and RLIMIT_DATA: what counts, what fails, and who inherits them. */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "check.h"

enum { MB = 1 << 20, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static void limit(int resource, rlim_t bytes)
{
    struct rlimit l;
    CHECK(getrlimit(resource, &l), 0);
    l.rlim_cur = bytes;
    CHECK(setrlimit(resource, &l), 0);
    CHECK(getrlimit(resource, &l), 0);
    CHECK(l.rlim_cur, bytes);
}

static void *map(size_t bytes, int prot, int flags) { return mmap(NULL, bytes, prot, flags, -1, 0); }

static void address_space(void *arg)
{
    struct rlimit l;
    limit(RLIMIT_AS, 64 * MB);
    CHECK_ERRNO(map(100 * MB, PROT_NONE, ANON), ENOMEM);
    CHECK_ERRNO(map(100 * MB, PROT_NONE, ANON | MAP_NORESERVE), ENOMEM);
    CHECK_ERRNO(map(100 * MB, RW, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
    char *at = map(40 * MB, RW, ANON);
    CHECK(at != MAP_FAILED, 1);
    CHECK_ERRNO(map(40 * MB, RW, ANON), ENOMEM);
    CHECK(mmap(at, 40 * MB, RW, ANON | MAP_FIXED, -1, 0), at); /* takes the place of what is there */
    CHECK_ERRNO(mremap(at, 40 * MB, 80 * MB, MREMAP_MAYMOVE), ENOMEM);
    char *moved = map(MB, RW, ANON);
    CHECK(mremap(moved, MB, 2 * MB, MREMAP_MAYMOVE) != MAP_FAILED, 1);
    CHECK_ERRNO(sbrk(40 * MB), ENOMEM);
    CHECK(sbrk(MB) != (void *)-1, 1);
    CHECK(mprotect(at, 40 * MB, PROT_READ), 0);
    CHECK(munmap(at, 40 * MB), 0);
    at = map(40 * MB, RW, ANON);
    CHECK(at != MAP_FAILED, 1);
    munmap(at, 40 * MB);

    int id = shmget(IPC_PRIVATE, 100 * MB, IPC_CREAT | 0600);
    if (id >= 0) {
        CHECK_ERRNO(shmat(id, NULL, 0), ENOMEM);
        shmctl(id, IPC_RMID, NULL);
    }
    limit(RLIMIT_AS, MB); /* what is there stays, nothing more comes */
    CHECK_ERRNO(map(4096, RW, ANON), ENOMEM);
    CHECK(prlimit(0, RLIMIT_AS, NULL, &l), 0);
    CHECK(l.rlim_cur, MB);
    CHECK(prlimit(getpid(), RLIMIT_AS, NULL, &l), 0);
    CHECK(l.rlim_cur, MB);
}

static void data(void *arg)
{
    limit(RLIMIT_DATA, 64 * MB);
    char *readable = map(100 * MB, PROT_READ, ANON);
    CHECK(readable != MAP_FAILED, 1);
    CHECK(map(100 * MB, RW, MAP_SHARED | MAP_ANONYMOUS) != MAP_FAILED, 1);
    CHECK_ERRNO(map(100 * MB, RW, ANON), ENOMEM);
    CHECK_ERRNO(mprotect(readable, 100 * MB, RW), ENOMEM);
    CHECK(mprotect(readable, 20 * MB, RW), 0);
    CHECK_ERRNO(sbrk(60 * MB), ENOMEM);
    CHECK(sbrk(20 * MB) != (void *)-1, 1);
    CHECK_ERRNO(map(30 * MB, RW, ANON), ENOMEM);
    CHECK(mprotect(readable, 20 * MB, PROT_READ), 0);
    CHECK(map(30 * MB, RW, ANON) != MAP_FAILED, 1);
}

static void hard_limits(void *arg)
{
    struct rlimit l = {200 * MB, 100 * MB};
    CHECK_ERRNO(setrlimit(RLIMIT_AS, &l), EINVAL);
    l = (struct rlimit){50 * MB, 100 * MB};
    CHECK(setrlimit(RLIMIT_AS, &l), 0);
    if (getuid() == 0)
        CHECK(setresuid(1000, 1000, 1000), 0);
    l.rlim_max = 200 * MB;
    CHECK_ERRNO(setrlimit(RLIMIT_AS, &l), EPERM);
    l = (struct rlimit){100 * MB, 100 * MB};
    CHECK(setrlimit(RLIMIT_AS, &l), 0);
    CHECK_ERRNO(setrlimit(RLIMIT_AS, (void *)8), EFAULT);
}

static void *count_up(void *arg) { return __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST), NULL; }

/* Enough for a native program is enough here. */
static void tight(void *arg)
{
    pthread_t id;
    pthread_attr_t attr;
    int count = 0;
    limit(RLIMIT_AS, 16 * MB);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    for (int i = 0; i < 20; i++) {
        CHECK(pthread_create(&id, &attr, count_up, &count), 0);
        CHECK(pthread_join(id, NULL), 0);
    }
    CHECK(count, 20);
    for (int i = 0; i < 100; i++)
        free(malloc(i * 1000));
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(map(20 * MB, RW, ANON) == MAP_FAILED ? 5 : 6);
    waitpid(pid, &status, 0);
    CHECK(status, 5 << 8);
}

/* This program again as a child: its limits are what it was started with. */
static int says(const char *what, const char *bytes)
{
    char *argv[] = {"limits", (char *)what, (char *)bytes, NULL}, *env[] = {NULL};
    int status = -1;
    pid_t pid;
    CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, env), 0);
    waitpid(pid, &status, 0);
    return status;
}

static void inherited(void *arg)
{
    limit(RLIMIT_AS, 48 * MB);
    limit(RLIMIT_DATA, 32 * MB);
    CHECK(says("as", "50331648"), 0);
    CHECK(says("data", "33554432"), 0);
    int status =
        system("test \"$(ulimit -v)\" = 49152 && test \"$(ulimit -d)\" = 32768"); /* may be a native shell */
    CHECK(status, 0);
}

static int child(const char *what, rlim_t bytes)
{
    struct rlimit l;
    int as = !strcmp(what, "as");
    getrlimit(as ? RLIMIT_AS : RLIMIT_DATA, &l);
    CHECK(l.rlim_cur, bytes);
    CHECK(map(bytes, RW, ANON), MAP_FAILED);
    return check_failures != 0;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return child(argv[1], strtoul(argv[2], NULL, 10));
    CHECK(in_child(address_space, NULL), 0);
    CHECK(in_child(data, NULL), 0);
    CHECK(in_child(hard_limits, NULL), 0);
    CHECK(in_child(tight, NULL), 0);
    CHECK(in_child(inherited, NULL), 0);
    return check_end();
}
