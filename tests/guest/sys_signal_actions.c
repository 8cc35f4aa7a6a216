/* sigaction: what it stores, each flag, which signals it takes, and how handlers nest. */
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "check.h"

struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

static long raw_action(int signo, struct kernel_action *new, struct kernel_action *old)
{
    return syscall(SYS_rt_sigaction, signo, new, old, 8);
}

static volatile int count, inside, deepest, order[8], orders;
static volatile siginfo_t seen;

static void counting(int signo)
{
    count++;
    if (++inside > deepest)
        deepest = inside;
    if (count < 3)
        raise(signo);
    inside--;
}

static void noting(int signo) { order[orders++] = signo; }
static void informed(int signo, siginfo_t *info, void *context) { seen = *info; }

static void install(int signo, void (*handler)(int), int flags, int also_blocked)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    if (also_blocked)
        sigaddset(&action.sa_mask, also_blocked);
    sigaction(signo, &action, NULL);
}

static void stores_what_it_got(void)
{
    struct kernel_action old, new = {noting, SA_NODEFER | SA_RESTART, NULL, ~0ul};
    for (int signo = 1; signo <= 64; signo++) {
        if (signo == SIGKILL || signo == SIGSTOP) {
            CHECK_ERRNO(raw_action(signo, &new, NULL), EINVAL);
            CHECK(raw_action(signo, NULL, &old), 0);
            continue;
        }
        struct kernel_action kept;
        CHECK(raw_action(signo, NULL, &kept), 0);
        CHECK(raw_action(signo, &new, &old), 0);
        CHECK(old.handler, kept.handler);
        CHECK(raw_action(signo, &kept, &old), 0);
        CHECK(old.handler, noting);
        CHECK(old.flags, new.flags);
        CHECK(old.mask, ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1)));
    }
    CHECK_ERRNO(raw_action(0, NULL, &old), EINVAL);
    CHECK_ERRNO(raw_action(65, NULL, &old), EINVAL);
    CHECK_ERRNO(raw_action(SIGUSR1, (void *)8, NULL), EFAULT);
    CHECK_ERRNO(raw_action(SIGUSR1, NULL, (void *)8), EFAULT);
    CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 4), EINVAL);
}

static void nodefer_nests_and_default_does_not(void)
{
    install(SIGUSR1, counting, 0, 0);
    count = deepest = 0;
    raise(SIGUSR1);
    CHECK(deepest, 1);
    CHECK(count >= 2, 1); /* those raised inside came afterwards */
    install(SIGUSR1, counting, SA_NODEFER, 0);
    count = deepest = 0;
    raise(SIGUSR1);
    CHECK(deepest, 3);
    CHECK(count, 3);
}

static void resethand_works_once(void)
{
    struct sigaction now;
    install(SIGUSR2, noting, SA_RESETHAND, 0);
    orders = 0;
    raise(SIGUSR2);
    CHECK(orders, 1);
    sigaction(SIGUSR2, NULL, &now);
    CHECK(now.sa_handler, SIG_DFL);
    install(SIGSEGV, noting, SA_RESETHAND, 0);
    raise(SIGSEGV);
    sigaction(SIGSEGV, NULL, &now);
    CHECK(now.sa_handler, SIG_DFL);
    CHECK(orders, 2);
}

static void all_64_signals_arrive(void)
{
    int sent = 0;
    orders = 0;
    for (int signo = 1; signo <= 64; signo++) {
        if (signo == SIGKILL || signo == SIGSTOP || signo == 32 || signo == 33)
            continue;
        struct sigaction action = {.sa_handler = noting};
        sigaction(signo, &action, NULL);
        orders = 0;
        raise(signo);
        CHECK(orders == 1 && order[0] == signo, 1);
        action.sa_handler = SIG_DFL;
        sigaction(signo, &action, NULL);
        sent++;
    }
    CHECK(sent, 60);
}

static void siginfo_tells_who_and_why(void)
{
    struct sigaction action = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 3, &action, NULL);
    union sigval value = {.sival_ptr = (void *)0x123456789abcdef0};
    sigqueue(getpid(), SIGRTMIN + 3, value);
    CHECK(seen.si_signo, SIGRTMIN + 3);
    CHECK(seen.si_code, SI_QUEUE);
    CHECK(seen.si_pid, getpid());
    CHECK(seen.si_uid, getuid());
    CHECK(seen.si_value.sival_ptr, value.sival_ptr);
    kill(getpid(), SIGRTMIN + 3);
    CHECK(seen.si_code, SI_USER);
    raise(SIGRTMIN + 3);
    CHECK(seen.si_code, SI_TKILL);
}

static void a_mask_of_the_action_holds_others_back(void)
{
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    install(SIGUSR1, noting, 0, SIGUSR2);
    install(SIGUSR2, noting, 0, 0);
    orders = 0;
    sigprocmask(SIG_BLOCK, &both, NULL);
    raise(SIGUSR2);
    raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &both, NULL);
    /* Both frames are made at once; the last made runs first unless the first's mask forbids it. */
    CHECK(orders, 2);
    CHECK(order[0], SIGUSR1);
    CHECK(order[1], SIGUSR2);
}

static void realtime_signals_queue_and_others_do_not(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigaddset(&set, SIGUSR1);
    install(SIGRTMIN + 1, noting, 0, 0);
    install(SIGUSR1, noting, 0, 0);
    orders = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 3; i++) {
        raise(SIGRTMIN + 1);
        raise(SIGUSR1);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(orders, 4);
}

static sigjmp_buf out;
static void leaving(int signo) { siglongjmp(out, 1); }

static void siglongjmp_restores_the_mask(void)
{
    sigset_t now;
    install(SIGUSR1, leaving, 0, SIGUSR2);
    for (int i = 0; i < 50; i++) {
        if (!sigsetjmp(out, 1))
            raise(SIGUSR1);
    }
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1), 0);
    CHECK(sigismember(&now, SIGUSR2), 0);
}

int main(void)
{
    stores_what_it_got();
    nodefer_nests_and_default_does_not();
    resethand_works_once();
    all_64_signals_arrive();
    siginfo_tells_who_and_why();
    a_mask_of_the_action_holds_others_back();
    realtime_signals_queue_and_others_do_not();
    siglongjmp_restores_the_mask();
    return check_end();
}
