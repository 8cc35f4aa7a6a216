/* The alternate signal stack: its rules, its use, and leaving it. */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

enum { SIZE = 64 * 1024 };
static char area[SIZE] __attribute__((aligned(16))), second[SIZE] __attribute__((aligned(16)));
static volatile int on_stack, state_inside, change_inside;
static sigjmp_buf out;

static int within(void *p, char *from) { return (char *)p >= from && (char *)p < from + SIZE; }

static void handler(int signo)
{
    int local;
    stack_t now, other = {.ss_sp = second, .ss_size = SIZE};
    on_stack = within(&local, area);
    sigaltstack(NULL, &now);
    state_inside = now.ss_flags;
    change_inside = sigaltstack(&other, NULL) ? errno : 0;
}

static void leaving(int signo) { siglongjmp(out, 1); }

static void install(int signo, void (*function)(int), int flags)
{
    struct sigaction action = {.sa_handler = function, .sa_flags = flags};
    sigaction(signo, &action, NULL);
}

static void rules(void)
{
    stack_t stack = {.ss_sp = area, .ss_size = SIZE}, old;
    CHECK(sigaltstack(NULL, &old), 0);
    CHECK(old.ss_flags, SS_DISABLE);
    stack.ss_size = 1000;
    CHECK_ERRNO(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_size = SIZE;
    stack.ss_flags = 0x40;
    CHECK_ERRNO(sigaltstack(&stack, NULL), EINVAL);
    stack.ss_flags = 0;
    CHECK(sigaltstack(&stack, &old), 0);
    CHECK(old.ss_flags, SS_DISABLE);
    CHECK(sigaltstack(NULL, &old), 0);
    CHECK(old.ss_sp, area);
    CHECK(old.ss_size, SIZE);
    CHECK(old.ss_flags, 0);
    CHECK_ERRNO(sigaltstack((void *)8, NULL), EFAULT);
}

static void used_only_when_asked_for(void)
{
    install(SIGUSR1, handler, 0);
    raise(SIGUSR1);
    CHECK(on_stack, 0);
    CHECK(state_inside, 0);
    CHECK(change_inside, 0); /* it wasn't in use */
    stack_t stack = {.ss_sp = area, .ss_size = SIZE};
    sigaltstack(&stack, NULL);
    install(SIGUSR1, handler, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(on_stack, 1);
    CHECK(state_inside, SS_ONSTACK);
    CHECK(change_inside, EPERM);
}

static void autodisarm_frees_it_meanwhile(void)
{
    stack_t stack = {.ss_sp = area, .ss_size = SIZE, .ss_flags = SS_AUTODISARM}, now;
    CHECK(sigaltstack(&stack, NULL), 0);
    raise(SIGUSR1);
    CHECK(on_stack, 1);
    CHECK(state_inside, SS_DISABLE);
    CHECK(change_inside, 0);
    sigaltstack(NULL, &now); /* the frame brought it back */
    CHECK(now.ss_sp, area);
    CHECK(now.ss_flags, (int)SS_AUTODISARM);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

static volatile int depth_reached;
static int recurse(int n)
{
    volatile char fill[4096];
    fill[0] = (char)n;
    depth_reached = n;
    return recurse(n + 1) + fill[0];
}

static void survives_an_overflow(void)
{
    struct rlimit limit = {256 * 1024, RLIM_INFINITY};
    stack_t stack = {.ss_sp = area, .ss_size = SIZE};
    getrlimit(RLIMIT_STACK, &limit);
    sigaltstack(&stack, NULL);
    install(SIGSEGV, leaving, SA_ONSTACK);
    for (int i = 0; i < 3; i++) {
        depth_reached = 0;
        if (!sigsetjmp(out, 1))
            recurse(0);
        CHECK(depth_reached > 100, 1);
    }
    signal(SIGSEGV, SIG_DFL);
}

static void overflow(void *arg)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    install(SIGSEGV, leaving, SA_ONSTACK); /* no room for its frame */
    recurse(0);
}

int main(void)
{
    rules();
    used_only_when_asked_for();
    autodisarm_frees_it_meanwhile();
    survives_an_overflow();
    int status = in_child(overflow, NULL);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, 1);
    return check_end();
}
