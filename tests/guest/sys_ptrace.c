/* A program that traces others: stops, registers, memory, system calls, steps, threads, children. */
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "check.h"

#ifdef __aarch64__
struct registers {
    uint64_t x[31], sp, pc, pstate;
};
#define RESULT(r) (r).x[0]
#define PC(r)     (r).pc
#define BREAK()   asm volatile("brk #0")
enum { BREAK_SKIP = 4, BREAK_AFTER = 0 }; /* pc is at the BRK */
#else
#define registers user_regs_struct
#define RESULT(r) (r).rax
#define PC(r)     (r).rip
#define BREAK()   asm volatile("int3")
enum { BREAK_SKIP = 0, BREAK_AFTER = 1 };
#endif

static volatile long cell = 11;
static int status;

static long trace(long request, pid_t pid, long addr, void *data) { return ptrace(request, pid, addr, data); }

static pid_t next_stop(pid_t pid)
{
    status = -1;
    return waitpid(pid, &status, __WALL);
}

static struct registers get(pid_t pid)
{
    struct registers r;
    struct iovec area = {&r, sizeof r};
    CHECK(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &area), 0);
    CHECK(area.iov_len, sizeof r);
    return r;
}

static void put(pid_t pid, const struct registers *r)
{
    struct iovec area = {(void *)r, sizeof *r};
    CHECK(trace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &area), 0);
}

static pid_t start(void (*part)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        part();
        _exit(7);
    }
    CHECK(next_stop(pid), pid);
    CHECK(status, SIGSTOP << 8 | 0x7f);
    return pid;
}

static void ends_with(pid_t pid, int expected)
{
    CHECK(next_stop(pid), pid);
    CHECK(status, expected);
}

/* ---- memory and signals ---- */

static volatile int caught;
static void on_signal(int signo) { caught = signo; }

static void signalled(void)
{
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    raise(SIGUSR1); /* swallowed */
    if (caught)
        _exit(1);
    raise(SIGUSR1); /* becomes another one */
    if (caught != SIGUSR2)
        _exit(2);
    _exit(cell);
}

static void memory_and_signals(void)
{
    siginfo_t info;
    pid_t pid = start(signalled);
    errno = 0;
    CHECK(trace(PTRACE_PEEKDATA, pid, (long)&cell, NULL), 11);
    CHECK(trace(PTRACE_POKEDATA, pid, (long)&cell, (void *)12l), 0);
    CHECK_ERRNO(trace(PTRACE_PEEKDATA, pid, 16, NULL), EIO);
    CHECK(trace(PTRACE_CONT, pid, 0, NULL), 0);
    ends_with(pid, SIGUSR1 << 8 | 0x7f);
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK(info.si_signo == SIGUSR1 && info.si_code == SI_TKILL && info.si_pid == pid, 1);
    CHECK(trace(PTRACE_CONT, pid, 0, NULL), 0);
    ends_with(pid, SIGUSR1 << 8 | 0x7f);
    CHECK(trace(PTRACE_CONT, pid, 0, (void *)(long)SIGUSR2), 0);
    ends_with(pid, 12 << 8);
    CHECK_ERRNO(trace(PTRACE_CONT, pid, 0, NULL), ESRCH);
}

static void killed(void) { raise(SIGTERM); }

static void deaths_and_detaching(void)
{
    pid_t pid = start(killed);
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, SIGTERM << 8 | 0x7f);
    trace(PTRACE_CONT, pid, 0, (void *)(long)SIGTERM);
    ends_with(pid, SIGTERM);
    pid = start(killed);
    CHECK(trace(PTRACE_DETACH, pid, 0, NULL), 0);
    ends_with(pid, SIGTERM);
    pid = start(killed);
    kill(pid, SIGKILL);
    ends_with(pid, SIGKILL);
}

/* ---- registers ---- */

static void breaks(void)
{
    BREAK();
    volatile int *none = NULL;
    if (cell == 99)
        _exit(3);
    *none = 1;
}

static void breakpoints_and_faults(void)
{
    pid_t pid = start(breaks);
    siginfo_t info;
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, SIGTRAP << 8 | 0x7f);
    struct registers r = get(pid);
    CHECK(PC(r) >= (uintptr_t)breaks && PC(r) < (uintptr_t)breaks + 256, 1);
    PC(r) += BREAK_SKIP;
    put(pid, &r);
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, SIGSEGV << 8 | 0x7f);
    CHECK(trace(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK(info.si_addr == NULL && info.si_code == SEGV_MAPERR, 1);
    CHECK(trace(PTRACE_POKEDATA, pid, (long)&cell, (void *)99l), 0);
    PC(r) = (uintptr_t)breaks;
    r = get(pid);
    PC(r) = (uintptr_t)killed; /* goes on elsewhere */
    put(pid, &r);
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, SIGTERM << 8 | 0x7f);
    trace(PTRACE_KILL, pid, 0, NULL);
    ends_with(pid, SIGKILL);
}

__attribute__((noinline)) static int counted(int n)
{
    for (int i = 0; i < n; i++)
        asm volatile("" : "+r"(i));
    return n;
}
static void steps(void)
{
    BREAK();
    counted(5);
    BREAK();
}

static void single_steps(void)
{
    pid_t pid = start(steps);
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, SIGTRAP << 8 | 0x7f);
    struct registers r = get(pid);
    PC(r) += BREAK_SKIP;
    put(pid, &r);
    int inside = 0, done = 0, count = 0;
    while (!done && count++ < 200) {
        siginfo_t info;
        CHECK(trace(PTRACE_SINGLESTEP, pid, 0, NULL), 0);
        ends_with(pid, SIGTRAP << 8 | 0x7f);
        trace(PTRACE_GETSIGINFO, pid, 0, &info);
        r = get(pid);
        inside += PC(r) >= (uintptr_t)counted && PC(r) < (uintptr_t)counted + 64;
        done = info.si_code != TRAP_TRACE;
    }
    CHECK(done && inside > 10 && count < 100, 1);
    trace(PTRACE_KILL, pid, 0, NULL);
    ends_with(pid, SIGKILL);
}

/* ---- system calls ---- */

static void calls(void)
{
    int got = syscall(SYS_getpriority, 1, 2, 3, 4, 5, 6);
    _exit(got);
}

static void system_calls(void)
{
    struct __ptrace_syscall_info info;
    pid_t pid = start(calls);
    CHECK(trace(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_TRACESYSGOOD), 0);
    for (int stop = 0; stop < 3; stop++) {
        CHECK(trace(PTRACE_SYSCALL, pid, 0, NULL), 0);
        ends_with(pid, (SIGTRAP | 0x80) << 8 | 0x7f);
        CHECK(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0, 1);
        CHECK(info.op, stop == 1 ? PTRACE_SYSCALL_INFO_EXIT : PTRACE_SYSCALL_INFO_ENTRY);
        if (stop == 0) {
            CHECK(info.entry.nr, SYS_getpriority);
            for (int i = 0; i < 6; i++)
                CHECK(info.entry.args[i], i + 1);
        } else if (stop == 1) {
            struct registers r = get(pid);
            CHECK((long)RESULT(r), info.exit.rval);
            RESULT(r) = 55;
            put(pid, &r);
        } else {
            CHECK(info.entry.nr, SYS_exit_group);
            CHECK(info.entry.args[0], 55);
        }
    }
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, 55 << 8);
}

/* ---- children, threads, programs ---- */

static char *self;

static void *thread(void *unused)
{
    cell++;
    return NULL;
}

static void multiplies(void)
{
    pthread_t one;
    pid_t pid = fork();
    if (pid == 0)
        _exit(21);
    waitpid(pid, NULL, 0);
    pthread_create(&one, NULL, thread, NULL);
    pthread_join(one, NULL);
    if (vfork() == 0)
        _exit(22);
    execl(self, self, "leave", (char *)0);
}

/* Follows everything that comes out of the tracee; counts what happened. */
static void children_threads_and_programs(int seize)
{
    int events[8] = {0}, starts = 0, ends = 0, last = -1;
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    pid_t pid;
    if (seize) {
        pid = fork();
        if (pid == 0) {
            raise(SIGSTOP);
            multiplies();
        }
        waitpid(pid, &status, WUNTRACED);
        CHECK(trace(PTRACE_SEIZE, pid, 0, (void *)options), 0);
        kill(pid, SIGCONT);
    } else {
        pid = start(multiplies);
        CHECK(trace(PTRACE_SETOPTIONS, pid, 0, (void *)options), 0);
        trace(PTRACE_CONT, pid, 0, NULL);
    }
    for (pid_t who; (who = next_stop(-1)) > 0;) {
        if (!WIFSTOPPED(status)) {
            ends++;
            if (who == pid)
                last = status;
            continue;
        }
        int event = status >> 16, signal = WSTOPSIG(status);
        if (event && event < 8) {
            unsigned long message = 0;
            events[event]++;
            CHECK(trace(PTRACE_GETEVENTMSG, who, 0, &message), 0);
            CHECK(message > 0, 1);
        }
        starts += !event && signal == SIGSTOP;
        int passed = event || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal;
        trace(PTRACE_CONT, who, 0, (void *)(long)passed);
    }
    CHECK(errno, ECHILD);
    CHECK(events[PTRACE_EVENT_FORK], 1);
    CHECK(events[PTRACE_EVENT_VFORK], 1);
    CHECK(events[PTRACE_EVENT_CLONE], 1);
    CHECK(events[PTRACE_EVENT_EXEC], 1);
    if (!seize)
        CHECK(starts, 3);
    CHECK(ends >= 3, 1);
    CHECK(last, 33 << 8);
}

/* ---- attaching ---- */

static void attaching(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        while (cell != 60)
            usleep(1000);
        _exit(60);
    }
    CHECK(trace(PTRACE_ATTACH, pid, 0, NULL), 0);
    ends_with(pid, SIGSTOP << 8 | 0x7f);
    CHECK(PC(get(pid)) != 0, 1);
    trace(PTRACE_DETACH, pid, 0, NULL);
    usleep(10000);
    CHECK(trace(PTRACE_SEIZE, pid, 0, NULL), 0);
    CHECK(trace(PTRACE_INTERRUPT, pid, 0, NULL), 0);
    ends_with(pid, (SIGTRAP | PTRACE_EVENT_STOP << 8) << 8 | 0x7f);
    CHECK(trace(PTRACE_POKEDATA, pid, (long)&cell, (void *)60l), 0);
    CHECK(trace(PTRACE_CONT, pid, 0, NULL), 0);
    ends_with(pid, 60 << 8);
    CHECK_ERRNO(trace(PTRACE_ATTACH, 0x3ffffff, 0, NULL), ESRCH);
}

/* A sleeper that is looked at sleeps on; it ends when it was looked at, however late that is. */
static void sleep_goes_on(void)
{
    char byte;
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (pid == 0)
        _exit(usleep(400000) == 0 && read(go[0], &byte, 1) == 1 ? 61 : 62);
    usleep(100000);
    CHECK(trace(PTRACE_ATTACH, pid, 0, NULL), 0);
    ends_with(pid, SIGSTOP << 8 | 0x7f);
    trace(PTRACE_DETACH, pid, 0, NULL);
    write(go[1], "x", 1);
    ends_with(pid, 61 << 8);
    close(go[0]);
    close(go[1]);
}

/* Also a SIGTRAP that comes before anything else. */
static void first_signal_stops(int signo)
{
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        kill(getpid(), signo);
        _exit(7);
    }
    ends_with(pid, signo << 8 | 0x7f);
    trace(PTRACE_CONT, pid, 0, NULL);
    ends_with(pid, 7 << 8);
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1)
        return 33;
    first_signal_stops(SIGTRAP);
    first_signal_stops(SIGSEGV);
    first_signal_stops(SIGTERM);
    memory_and_signals();
    deaths_and_detaching();
    breakpoints_and_faults();
    single_steps();
    system_calls();
    children_threads_and_programs(0);
    children_threads_and_programs(1);
    attaching();
    sleep_goes_on();
    return check_end();
}
