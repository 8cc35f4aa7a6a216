/* Masks and waiting: sigprocmask, sigpending, sigsuspend, sigtimedwait, ppoll, pselect, epoll_pwait,
 * signalfd; also with the signals that an emulator would like to keep for itself. */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

static volatile int count, last;
static sigset_t mask_inside;

static void handler(int signo)
{
    count++;
    last = signo;
    sigprocmask(SIG_BLOCK, NULL, &mask_inside);
}

static const int tried[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGCHLD, 34, 35, 62, 63, 64};
enum { TRIED = sizeof tried / sizeof *tried };

static sigset_t only(int signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    return set;
}

static void blocked_signals_wait(int signo)
{
    sigset_t set = only(signo), pending;
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = 0;
    raise(signo);
    CHECK(count, 0);
    sigpending(&pending);
    CHECK(sigismember(&pending, signo), 1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count, 1);
    CHECK(last, signo);
    sigpending(&pending);
    CHECK(sigismember(&pending, signo), 0);
}

static void ignoring_discards_what_waits(int signo)
{
    sigset_t set = only(signo), pending;
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(signo);
    signal(signo, SIG_IGN);
    sigpending(&pending);
    CHECK(sigismember(&pending, signo), 0);
    signal(signo, handler);
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count, 0);
}

static void sigsuspend_lets_one_through(int signo)
{
    sigset_t set = only(signo), inside;
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(signo);
    sigfillset(&inside);
    sigdelset(&inside, signo);
    count = 0;
    CHECK_ERRNO(sigsuspend(&inside), EINTR);
    CHECK(count, 1);
    CHECK(sigismember(&mask_inside, SIGUSR2), 1); /* the handler runs under the temporary mask */
    sigset_t now;
    sigprocmask(SIG_UNBLOCK, &set, &now);
    CHECK(sigismember(&now, signo), 1);
    CHECK(sigismember(&now, SIGUSR2), 0);
}

static void sigtimedwait_takes_it(int signo)
{
    sigset_t set = only(signo);
    siginfo_t info = {0};
    struct timespec soon = {0, 1000000};
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
    raise(signo);
    count = 0;
    CHECK(sigtimedwait(&set, &info, &soon), signo);
    CHECK(info.si_signo, signo);
    CHECK(info.si_pid, getpid());
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count, 0);
}

static void waits_with_masks(void)
{
    sigset_t set = only(SIGUSR1), empty;
    struct timespec soon = {0, 1000000}, late = {10, 0};
    struct epoll_event event;
    int epoll = epoll_create1(0);
    sigemptyset(&empty);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    count = 0;
    CHECK(ppoll(NULL, 0, &soon, NULL), 0);
    CHECK(ppoll(NULL, 0, &soon, &set), 0);
    CHECK(count, 0);
    CHECK_ERRNO(ppoll(NULL, 0, &late, &empty), EINTR);
    CHECK(count, 1);
    raise(SIGUSR1);
    CHECK(pselect(0, NULL, NULL, NULL, &soon, &set), 0);
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &late, &empty), EINTR);
    CHECK(count, 2);
    raise(SIGUSR1);
    CHECK(epoll_pwait(epoll, &event, 1, 1, &set), 0);
    CHECK_ERRNO(epoll_pwait(epoll, &event, 1, 10000, &empty), EINTR);
    CHECK(count, 3);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    close(epoll);
}

static void signalfd_reads_it(void)
{
    sigset_t set = only(SIGUSR2);
    struct signalfd_siginfo info;
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK_ERRNO(read(fd, &info, sizeof info), EAGAIN);
    raise(SIGUSR2);
    CHECK(read(fd, &info, sizeof info), sizeof info);
    CHECK(info.ssi_signo, SIGUSR2);
    CHECK(info.ssi_pid, getpid());
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void errors(void)
{
    unsigned long set = 0;
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 77, &set, NULL, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, (void *)8, 8), EFAULT);
    CHECK(syscall(SYS_rt_sigprocmask, 77, NULL, NULL, 8), 0);
    CHECK_ERRNO(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
    CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &set, 4), EINVAL);
    set = ~0ul;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8), 0);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &set, 8), 0);
    CHECK(set, ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1)));
    set = 0;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8), 0);
}

int main(void)
{
    for (int i = 0; i < TRIED; i++) {
        struct sigaction action = {.sa_handler = handler};
        sigaction(tried[i], &action, NULL);
        blocked_signals_wait(tried[i]);
        sigsuspend_lets_one_through(tried[i]);
        sigtimedwait_takes_it(tried[i]);
        ignoring_discards_what_waits(tried[i]);
        sigaction(tried[i], &action, NULL);
    }
    waits_with_masks();
    signalfd_reads_it();
    errors();
    return check_end();
}
