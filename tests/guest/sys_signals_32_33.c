/* Signals 32 and 33, which C libraries use, are a program's like any other: raw handlers, set before the first thread
 * and after, and the C library's own use. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "check.h"

struct kernel_action {
    uint64_t handler, flags;
#ifdef __x86_64__
    uint64_t restorer;
#endif
    uint64_t mask;
};

#ifdef __x86_64__
__asm__(".globl restore\nrestore: mov $15, %eax\nsyscall\n");
void restore(void);
#define RESTORER .restorer = (uintptr_t)restore,
#define FLAGS    0x04000000
#else
#define RESTORER
#define FLAGS 0
#endif

static volatile int seen[65];
static void on_signal(int signo) { seen[signo]++; }

static void set_handlers(void)
{
    struct kernel_action action = {.handler = (uintptr_t)on_signal, RESTORER.flags = FLAGS};
    CHECK(syscall(SYS_rt_sigaction, 32, &action, NULL, 8), 0);
    CHECK(syscall(SYS_rt_sigaction, 33, &action, NULL, 8), 0);
}

static void send_both(int times)
{
    for (int signo = 32; signo <= 33; signo++) {
        CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signo), 0);
        CHECK(syscall(SYS_kill, getpid(), signo), 0);
        for (int i = 0; i < 5000 && seen[signo] < times; i++) /* another thread may get it */
            usleep(1000);
        CHECK(seen[signo], times);
    }
}

static void *sends(void *arg)
{
    send_both(4);
    return arg;
}

/* A thread without the C library, which would set its own handlers first. */
static char stack[65536] __attribute__((aligned(16)));
static volatile int child_tid = 1;

static void *raw_thread(void *arg)
{
    (void)arg;
    return NULL;
}

static void handlers_outlive_the_first_thread(void *arg)
{
    pthread_t thread;
    uint64_t both = 3ull << 31, pending = 0, mask = 0;
    (void)arg;
    pthread_create(&thread, NULL, raw_thread, NULL); /* in libraries that set theirs with the first thread */
    pthread_join(thread, NULL);
    set_handlers();
    send_both(2);
    pthread_create(&thread, NULL, sends, NULL);
    pthread_join(thread, NULL);
    send_both(6);
    /* One that is blocked stays pending. */
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &both, NULL, 8);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 33);
    syscall(SYS_rt_sigpending, &pending, 8);
    CHECK(pending, 1ull << 32);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    CHECK(mask, both);
    CHECK(seen[33], 6);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &both, NULL, 8);
    CHECK(seen[33], 7);
}

/* ---- handlers, mask and a waiting signal from before the first thread, which clone() alone makes ---- */

static int raw_main(void *arg)
{
    (void)arg;
    syscall(SYS_exit, 0);
    return 0;
}

static void nothing_changes_with_the_first_thread(void *arg)
{
    extern int clone(int (*)(void *), void *, int, void *, ...);
    uint64_t one = 1ull << 32, mask = 0, pending = 0;
    struct kernel_action now = {0};
    (void)arg;
    set_handlers();
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, NULL, 8);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 33);
    /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, CHILD_CLEARTID */
    CHECK(clone(raw_main, stack + sizeof stack, 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000, NULL, NULL,
                NULL, &child_tid) > 0,
          1);
    while (child_tid)
        syscall(SYS_sched_yield);
    CHECK(seen[33], 0);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    CHECK(mask, one);
    syscall(SYS_rt_sigpending, &pending, 8);
    CHECK(pending, one);
    syscall(SYS_rt_sigaction, 33, NULL, &now, 8);
    CHECK(now.handler, (uintptr_t)on_signal);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, 8);
    CHECK(seen[33], 1);
    seen[33] = 0;
    send_both(2);
}

/* ---- the C library's own use: all threads change their identity, one is cancelled ---- */

static void *sleeps(void *arg)
{
    for (;;)
        usleep(1000000);
    return arg;
}

static void the_librarys_use(void *arg)
{
    pthread_t thread[4];
    void *result;
    (void)arg;
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, sleeps, NULL);
    usleep(10000);
    for (int i = 0; i < 20; i++) {
        CHECK(setgid(getgid()), 0);
        CHECK(setuid(getuid()), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_cancel(thread[i]), 0);
        CHECK(pthread_join(thread[i], &result), 0);
        CHECK(result == PTHREAD_CANCELED, 1);
    }
}

int main(void)
{
    CHECK(in_child(the_librarys_use, NULL), 0);
    CHECK(in_child(handlers_outlive_the_first_thread, NULL), 0);
    CHECK(in_child(nothing_changes_with_the_first_thread, NULL), 0);
    return check_end();
}
