/* Threads: many of them, their ends, their signals, and fork and exit among them. */
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

enum { MANY = 200, ROUNDS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long total;
static _Thread_local long mine = 5;
static atomic_int arrived, handled;

static void *adding(void *arg)
{
    mine += (long)arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        total++;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)mine;
}

static void many_at_once(void)
{
    pthread_t threads[MANY];
    for (long i = 0; i < MANY; i++)
        CHECK(pthread_create(&threads[i], NULL, adding, (void *)i), 0);
    for (long i = 0; i < MANY; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result), 0);
        CHECK((long)result, 5 + i);
    }
    CHECK(total, (long)MANY * ROUNDS);
}

static void *nothing(void *arg) { return arg; }

static void one_after_another(void)
{
    for (long i = 0; i < 1000; i++) {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, nothing, (void *)i))
            CHECK(0, "a thread");
        pthread_join(thread, &result);
        CHECK((long)result, i);
    }
}

static void *at_barrier(void *arg)
{
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&mutex);
    arrived++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void conditions_wake(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&barrier, NULL, 9);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, at_barrier, NULL);
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&mutex);
    while (arrived < 8)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK(arrived, 8);
}

static pthread_mutex_t robust;
static void *dies_with_lock(void *arg)
{
    pthread_mutex_lock(&robust);
    return NULL;
}

static void a_robust_mutex_tells_of_its_dead_owner(void)
{
    pthread_mutexattr_t attr;
    pthread_t thread;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&thread, NULL, dies_with_lock, NULL);
    pthread_join(thread, NULL);
    CHECK(pthread_mutex_lock(&robust), EOWNERDEAD);
    pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
}

static pthread_t handler_thread;
static void noting(int signo)
{
    handler_thread = pthread_self();
    handled++;
}

static volatile int go_on;
static void *spinning(void *arg)
{
    arrived++;
    while (!go_on)
        ;
    return NULL;
}

static void signals_find_their_thread(void)
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = noting};
    sigset_t set;
    sigaction(SIGUSR1, &action, NULL);
    arrived = go_on = 0;
    pthread_create(&thread, NULL, spinning, NULL);
    while (!arrived)
        ;
    for (int i = 1; i <= 20; i++) {
        pthread_kill(thread, SIGUSR1);
        while (handled < i)
            ;
        CHECK(handler_thread == thread, 1);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1); /* for whoever doesn't block it */
    while (handled < 21)
        ;
    CHECK(handler_thread == thread, 1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    go_on = 1;
    pthread_join(thread, NULL);
}

static void *canceled(void *arg)
{
    for (;;)
        pause();
}

static void cancelling_works(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, canceled, NULL);
        if (i % 2)
            usleep(1000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        CHECK(result, PTHREAD_CANCELED);
    }
}

static void *allocating(void *arg)
{
    while (!go_on)
        free(malloc(10 + rand() % 5000));
    return NULL;
}

static void fork_among_busy_threads(void)
{
    pthread_t threads[4];
    go_on = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, allocating, NULL);
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            free(malloc(100));
            if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
                _exit(1);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        CHECK(status, 9 << 8);
    }
    go_on = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void *exits_later(void *arg)
{
    usleep(30000);
    _exit(21);
}
static void first_thread_leaves(void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, exits_later, NULL);
    pthread_exit(NULL);
}
static volatile int first_is_here = 1;
static void *leaves(void *arg)
{
    while (first_is_here) /* the other one goes first */
        usleep(1000);
    usleep(100000);
    syscall(SYS_exit, 4);
}
static void status_is_the_last_threads(void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, leaves, NULL);
    syscall(SYS_set_tid_address, &first_is_here); /* cleared when it ends */
    syscall(SYS_exit, 17);
}
static void *exits_now(void *arg) { exit(31); }
static void any_thread_ends_all(void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, exits_now, NULL);
    for (;;)
        pause();
}

static void *crashes(void *arg)
{
    *(volatile int *)16 = 1;
    return NULL;
}
static void any_thread_kills_all(void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, crashes, NULL);
    for (;;)
        pause();
}

static char raw_stack[65536] __attribute__((aligned(16)));
static volatile int raw_ran;
static int raw_thread(void *arg)
{
    raw_ran = (int)(long)arg;
    return 0;
}

static void raw_clone_sets_and_clears_ids(void)
{
    static int parent_tid, child_tid;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    child_tid = -1;
    int tid =
        clone(raw_thread, raw_stack + sizeof raw_stack, flags, (void *)77, &parent_tid, NULL, &child_tid);
    CHECK(tid > 0, 1);
    CHECK(parent_tid, tid);
    while (__atomic_load_n(&child_tid, __ATOMIC_ACQUIRE) == -1)
        syscall(SYS_futex, &child_tid, FUTEX_WAIT, -1, NULL, NULL, 0);
    CHECK(child_tid, 0);
    CHECK(raw_ran, 77);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), tid, 0), ESRCH);
}

/* What an allocator asks before it relies on restartable sequences: both are there, or neither. */
static void membarrier_knows_rseq_only_where_there_is_rseq(void)
{
    bool rseq = syscall(SYS_rseq, NULL, 0, 0, 0) == 0 || errno != ENOSYS;
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    CHECK(commands > 0, 1);
    CHECK(!!(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ), rseq);
    CHECK(!!(commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ), rseq);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0), rseq ? 0 : -1);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0), 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
    CHECK_ERRNO(syscall(SYS_membarrier, -1, 0, 0), EINVAL);
}

int main(void)
{
    membarrier_knows_rseq_only_where_there_is_rseq();
    many_at_once();
    one_after_another();
    conditions_wake();
    a_robust_mutex_tells_of_its_dead_owner();
    signals_find_their_thread();
    cancelling_works();
    fork_among_busy_threads();
    CHECK(in_child(first_thread_leaves, NULL), 21 << 8);
    CHECK(in_child(status_is_the_last_threads, NULL), 4 << 8);
    CHECK(in_child(any_thread_ends_all, NULL), 31 << 8);
    CHECK(in_child(any_thread_kills_all, NULL) & 0x7f, SIGSEGV);
    raw_clone_sets_and_clears_ids();
    return check_end();
}
