// dynamic
/* Handlers, masks, pending signals, alternate stack, siginfo, restarted and interrupted calls. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int count, depth, deepest;
static volatile void *stack_seen;
static siginfo_t info_seen;
static sigjmp_buf jump;

static void counting(int signo) { count++; }

static void nesting(int signo)
{
    if (++depth > deepest)
        deepest = depth;
    if (signo == SIGUSR1)
        raise(SIGUSR2);
    depth--;
}

static void informed(int signo, siginfo_t *info, void *context)
{
    info_seen = *info;
    stack_seen = __builtin_frame_address(0);
}

static void jumping(int signo) { siglongjmp(jump, signo); }

static void install(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signo, &action, NULL);
}

static void masks(void)
{
    sigset_t set, old, pending;
    install(SIGUSR1, counting, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: count %d, pending %d\n", count, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("unblocked: count %d\n", count);
}

static void alternate_stack(void)
{
    static char memory[65536];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, now;
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGRTMIN + 3, &action, NULL);
    union sigval value = {.sival_int = 1234};
    sigqueue(getpid(), SIGRTMIN + 3, value);
    printf("queued: signo %d code %d value %d, own pid %d, on the stack %d\n", info_seen.si_signo - SIGRTMIN,
           info_seen.si_code, info_seen.si_value.sival_int, info_seen.si_pid == getpid(),
           (char *)stack_seen > memory && (char *)stack_seen < memory + sizeof memory);
    sigaltstack(NULL, &now);
    printf("stack flags %d\n", now.ss_flags);
}

static int waker[2];

static void waking(int signo)
{
    count++;
    write(waker[1], "x", 1);
}

/* A pipe that only the handler fills. More than one alarm: on a busy machine the first can come before the read. */
static void interrupted_read(int flags)
{
    char byte = 0;
    pipe(waker);
    install(SIGALRM, flags & SA_RESTART ? waking : counting, flags);
    count = 0;
    ualarm(50000, 50000);
    ssize_t got = read(waker[0], &byte, 1);
    int error = errno;
    ualarm(0, 0);
    printf("read: %zd %s, alarms %d\n", got, got < 0 ? strerror(error) : "", count > 0);
    close(waker[0]);
    close(waker[1]);
}

static void segv_jump(void)
{
    install(SIGSEGV, jumping, SA_NODEFER);
    for (volatile int i = 0; i < 3; i++) {
        int got = sigsetjmp(jump, 1);
        if (!got)
            *(volatile int *)8 = 1;
        printf("jumped out of signal %d\n", got);
    }
}

static void children(void)
{
    int status;
    install(SIGCHLD, counting, SA_RESTART);
    count = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        kill(getpid(), SIGTERM);
        _exit(1);
    }
    while (waitpid(child, &status, 0) != child)
        ;
    printf("child: signaled %d by %d, SIGCHLD %d\n", WIFSIGNALED(status), WTERMSIG(status), count);
    child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(9);
    }
    waitpid(child, &status, WUNTRACED);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    printf("exited %d\n", WEXITSTATUS(status));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    masks();
    install(SIGUSR1, nesting, 0);
    install(SIGUSR2, nesting, 0);
    raise(SIGUSR1);
    printf("deepest %d\n", deepest);
    alternate_stack();
    interrupted_read(0);
    interrupted_read(SA_RESTART);
    segv_jump();
    children();
    struct sigaction old;
    install(SIGUSR1, SIG_IGN, 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    printf("ignored %d\n", old.sa_handler == SIG_IGN);
    install(SIGUSR1, counting, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    printf("reset %d\n", old.sa_handler == SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);
}
