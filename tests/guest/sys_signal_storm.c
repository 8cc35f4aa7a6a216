/* Signals rain on busy threads, as a Go program's preemption does it: nothing is lost, no register is damaged, and
 * calls that were interrupted go on. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

enum { WORKERS = 3, STORM = 500, ALTSTACK = 32768 };

static atomic_int over, storms, queued_seen;
static pid_t tids[WORKERS];

static void on_urgent(int signo, siginfo_t *info, void *context)
{
    volatile double noise = 1.5;
    int kept = errno;
    for (int i = 0; i < 20; i++)
        noise = noise * 1.01 + i;
    if (info->si_code == SI_TKILL)
        storms++;
    errno = kept;
}

static void on_queued(int signo, siginfo_t *info, void *context) { queued_seen++; }

/* A value that any damaged register would change. */
static uint64_t work(uint64_t seed)
{
    uint64_t a = seed, b = 1, c = 3;
    double x = 1, y = 0.5;
    for (int i = 0; i < 300; i++) {
        a = a * 6364136223846793005ul + 1442695040888963407ul;
        b ^= a >> 17;
        c += b * a;
        x = x * 1.0000001 + y;
        y = y + (double)(a >> 60);
    }
    return a ^ b ^ c ^ (uint64_t)x ^ (uint64_t)y;
}

static void *worker(void *arg)
{
    long index = (long)arg, damaged = 0;
    int pipes[2];
    char byte;
    stack_t stack = {.ss_sp = malloc(ALTSTACK), .ss_size = ALTSTACK};
    sigaltstack(&stack, NULL);
    pipe(pipes);
    uint64_t expected = work(7);
    __atomic_store_n(&tids[index], (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    while (!over) {
        damaged += work(7) != expected;
        damaged += write(pipes[1], "x", 1) != 1;
        damaged += read(pipes[0], &byte, 1) != 1;
        char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[4096] = 1;
        damaged += munmap(page, 8192) != 0;
    }
    return (void *)damaged;
}

int main(void)
{
    pthread_t threads[WORKERS];
    struct sigaction urgent = {.sa_sigaction = on_urgent, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    struct sigaction queued = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigaction(SIGURG, &urgent, NULL);
    sigaction(SIGRTMIN, &queued, NULL);
    for (long i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, (void *)i);
    int sent = 0;
    for (int i = 0; storms < STORM; i++) {
        pid_t tid = __atomic_load_n(&tids[i % WORKERS], __ATOMIC_ACQUIRE);
        if (!tid)
            continue;
        syscall(SYS_tgkill, getpid(), tid, SIGURG);
        if (i % 8 == 0)
            sent += syscall(SYS_tgkill, getpid(), tid, SIGRTMIN) == 0;
        if (i % 16 == 0)
            usleep(100);
    }
    over = 1;
    for (int i = 0; i < WORKERS; i++) {
        void *damaged;
        pthread_join(threads[i], &damaged);
        CHECK((long)damaged, 0);
    }
    CHECK(queued_seen, sent);
    return check_end();
}
