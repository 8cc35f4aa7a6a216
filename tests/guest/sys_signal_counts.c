/* No signal gets lost and none comes twice, whatever its number: a thread sends itself many while it works, real-time
 * signals queue in their order, and other threads and a child send as well. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

enum { EACH = 3000, MANY = 300000, QUEUED = 40, SENT = 300 };

static atomic_int counts[65];
static volatile unsigned sink;

static void handler(int signo) { counts[signo]++; }

static void work(int n)
{
    for (int i = 0; i < n; i++)
        sink = sink * 1664525 + 1013904223;
}

static void set_handler(int signo, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signo, &action, NULL);
}

static void to_itself(int signo, int times)
{
    set_handler(signo, 0);
    counts[signo] = 0;
    for (int i = 0; i < times; i++) {
        raise(signo);
        work(times == MANY ? 0 : 500);
    }
    CHECK(counts[signo], times);
}

/* Blocked ones wait in their order; the mask lets them through one by one. */
static void queued_in_order(int signo)
{
    sigset_t set, pending;
    siginfo_t info;
    struct timespec soon = {1, 0}, now = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, signo);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < QUEUED; i++) {
        sigqueue(getpid(), signo, (union sigval){.sival_int = i});
        work(3000);
    }
    sigpending(&pending);
    CHECK(sigismember(&pending, signo), 1);
    for (int i = 0; i < QUEUED; i++) {
        CHECK(sigtimedwait(&set, &info, &soon), signo);
        CHECK(info.si_value.sival_int, i);
    }
    CHECK_ERRNO(sigtimedwait(&set, &info, &now), EAGAIN);
    sigpending(&pending);
    CHECK(sigismember(&pending, signo), 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Another thread has it unblocked and gets it, this one never. */
static atomic_int over;

static void *open_thread(void *arg)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, *(int *)arg);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (!over)
        work(100);
    return NULL;
}

static void by_a_child(int signo)
{
    sigset_t set;
    pthread_t thread;
    int status;
    over = counts[signo] = 0;
    set_handler(signo, SA_RESTART);
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, open_thread, &signo);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < SENT; i++)
            if (kill(getppid(), signo))
                _exit(1);
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        work(1000);
    CHECK(status, 0);
    for (int i = 0; i < 100000 && counts[signo] < SENT; i++)
        work(1000);
    over = 1;
    pthread_join(thread, NULL);
    CHECK(counts[signo], SENT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A descriptor that reads every signal that can be blocked. */
static void read_from_a_descriptor(void)
{
    sigset_t all, before;
    struct signalfd_siginfo info;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    int fd = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
        work(300000);
        CHECK_ERRNO(read(fd, &info, sizeof info), EAGAIN);
        raise(signo);
        CHECK(read(fd, &info, sizeof info), sizeof info);
        CHECK(info.ssi_signo, signo);
    }
    close(fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
    static const int some[] = {SIGUSR1, SIGFPE, SIGPROF};
    to_itself(SIGTRAP, MANY);
    for (unsigned i = 0; i < sizeof some / sizeof *some; i++)
        to_itself(some[i], EACH);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
        to_itself(signo, EACH);
        queued_in_order(signo);
    }
    by_a_child(SIGRTMAX);
    by_a_child(SIGRTMAX - 1);
    by_a_child(SIGRTMAX - 2);
    read_from_a_descriptor();
    return check_end();
}
