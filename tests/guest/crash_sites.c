// arm64-only
/* Dies where the argument says: for tests of crash reports and core files. Without one it only says that it is there. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

volatile int in_the_core = 4711;
static pthread_barrier_t barrier;

static __attribute__((noipa)) int leaf_that_reads(volatile int *at) { return *at; }

static int (*volatile call_by_pointer)(volatile int *) = leaf_that_reads;

static __attribute__((noipa)) int caller_of_leaf(volatile int *at)
{
    int value = leaf_that_reads(at);
    asm volatile("" ::: "memory");
    return value + 1;
}

static __attribute__((noipa)) void in_handler(int signo) { caller_of_leaf((volatile int *)0x10), (void)signo; }

static __attribute__((noipa)) int interrupted_code(int depth)
{
    if (depth)
        return interrupted_code(depth - 1) + 1;
    raise(SIGUSR1);
    return 3;
}

static void *dying_thread(void *arg)
{
    pthread_setname_np(pthread_self(), "worker");
    signal(SIGUSR1, in_handler);
    interrupted_code(2);
    return arg;
}

static __attribute__((noipa)) void *busy_thread(void *arg)
{
    pthread_barrier_wait(&barrier);
    for (volatile unsigned long n = 0;; n++)
        ;
    return arg;
}

static __attribute__((noipa)) void *waiting_thread(void *arg)
{
    pthread_barrier_wait(&barrier);
    pause();
    return arg;
}

static void threads(void)
{
    pthread_t id;
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_create(&id, NULL, busy_thread, NULL);
    pthread_create(&id, NULL, waiting_thread, NULL);
    pthread_barrier_wait(&barrier);
    usleep(20000);
    char *excluded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(excluded, "the excluded text");
    madvise(excluded, 4096, MADV_DONTDUMP);
    caller_of_leaf((volatile int *)0x20);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t id;
    if (!strcmp(how, "handler")) {
        pthread_create(&id, NULL, dying_thread, NULL);
        pthread_join(id, NULL);
    }
    if (!strcmp(how, "threads"))
        threads();
    if (!strcmp(how, "mte"))
        asm volatile(".inst 0xd9200400"); /* STG [x0], #0 */
    if (!strcmp(how, "lse"))
        asm volatile(".inst 0xf8200001"); /* LDADD x0, x1, [x0] */
    if (!strcmp(how, "guarded")) {
        mprotect((void *)((unsigned long)leaf_that_reads & -4096ul), 4096, PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */);
        call_by_pointer(&in_the_core);
    }
    if (!strcmp(how, "jump"))
        ((void (*)(void))0x1234560)();
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "terminated"))
        raise(SIGTERM);
    puts("ok");
    return 0;
}
