/* What system calls cost: CPU time of the process and its children for each. benchmarks/calls makes the table. */
#include "suite/suite.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGES = 16 };

static char byte;
static int zero;
static char **self;
static atomic_uint word;

static void on_signal(int signo) { (void)signo; }

static void do_getppid(long count)
{
    while (count-- > 0)
        syscall(SYS_getppid);
}

static void do_read(long count)
{
    while (count-- > 0)
        (void)!read(zero, &byte, 1);
}

static void do_clock(long count)
{
    struct timespec now;
    while (count-- > 0)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

static void do_signal(long count)
{
    while (count-- > 0)
        kill(getpid(), SIGUSR1);
}

/* A byte to another process and back. */
static void do_ping_pong(long count)
{
    int there[2], back[2];
    if (pipe(there) || pipe(back))
        return;
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            (void)!write(back[1], &byte, 1);
        _exit(0);
    }
    while (count-- > 0) {
        (void)!write(there[1], &byte, 1);
        (void)!read(back[0], &byte, 1);
    }
    close(there[1]);
    waitpid(child, NULL, 0);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

static void do_wake_nobody(long count)
{
    while (count-- > 0)
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void turn(unsigned mine, unsigned next)
{
    for (unsigned now; (now = word) != mine;)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    word = next;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *partner(void *count)
{
    for (long left = (long)count; left > 0; left--)
        turn(1, 0);
    return NULL;
}

/* Two threads wake each other. */
static void do_wake(long count)
{
    pthread_t thread;
    word = 0;
    pthread_create(&thread, NULL, partner, (void *)count);
    while (count-- > 0)
        turn(0, 1);
    pthread_join(thread, NULL);
}

static void do_mmap(long count)
{
    while (count-- > 0) {
        char *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < PAGES; i++)
            memory[i * PAGE_BYTES] = 1;
        munmap(memory, PAGES * PAGE_BYTES);
    }
}

static int child_failed; /* an emulator that follows no execve */

static void do_exec(long count)
{
    while (count-- > 0) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            execl(self[0], self[0], "child", (char *)NULL);
            _exit(1);
        }
        waitpid(child, &status, 0);
        child_failed |= status;
    }
}

static const struct {
    const char *name;
    void (*operations)(long count);
    long count; /* at 100 % */
} rows[] = {
    {"getppid", do_getppid, 200000},
    {"read-1-byte", do_read, 100000},
    {"clock_gettime", do_clock, 1000000},
    {"futex-wake-nobody", do_wake_nobody, 200000},
    {"futex-wake-thread", do_wake, 10000},
    {"pipe-ping-pong", do_ping_pong, 10000},
    {"signal-delivery", do_signal, 30000},
    {"mmap-touch-munmap", do_mmap, 3000},
    {"fork-exec-wait", do_exec, 50},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return 0;
    double percent = argc > 1 ? atof(argv[1]) : 100;
    self = argv;
    zero = open("/dev/zero", O_RDONLY);
    signal(SIGUSR1, on_signal);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        long count = (long)((double)rows[i].count * percent / 100);
        count = count > 2 ? count : 2;
        rows[i].operations(count / 10 + 1);
        double before = suite_cpu_ns();
        rows[i].operations(count);
        double after = suite_cpu_ns();
        if (!child_failed)
            suite_metric(rows[i].name, (after - before) / (double)count);
    }
    return 0;
}
