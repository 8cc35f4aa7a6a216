/* Synchronous signals: codes and addresses, and how a process ends that doesn't handle them. */
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

static sigjmp_buf out;
static volatile siginfo_t seen;

static void leaving(int signo, siginfo_t *info, void *context)
{
    seen = *info;
    siglongjmp(out, 1);
}

static void handle(int signo)
{
    struct sigaction action = {.sa_sigaction = leaving, .sa_flags = SA_SIGINFO};
    sigaction(signo, &action, NULL);
}

#define FAULT(access, signo, code, addr)       \
    do {                                       \
        memset((void *)&seen, 0, sizeof seen); \
        if (!sigsetjmp(out, 1)) {              \
            access;                            \
            CHECK(0, "a fault");               \
        }                                      \
        CHECK(seen.si_signo, signo);           \
        CHECK(seen.si_code, code);             \
        CHECK(seen.si_addr, addr);             \
    } while (0)

static void data_faults(void)
{
    volatile char *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile char *readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char name[] = "/tmp/faultXXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    volatile char *file = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    FAULT(none[5], SIGSEGV, SEGV_ACCERR, none + 5);
    FAULT(readable[7] = 1, SIGSEGV, SEGV_ACCERR, readable + 7);
    munmap((void *)none, 8192);
    FAULT(none[9], SIGSEGV, SEGV_MAPERR, none + 9);
    FAULT(*(volatile int *)16, SIGSEGV, SEGV_MAPERR, 16);
    FAULT(file[4096 + 3], SIGBUS, BUS_ADRERR, file + 4096 + 3);
    close(fd);
}

/* Where strings end that the kernel has put at a stack's end. */
static void nothing_is_above_the_stack(void)
{
#ifdef __aarch64__
    char *end = (char *)((getauxval(AT_EXECFN) | 4095) + 1);
    FAULT(*(volatile char *)end = 1, SIGSEGV, SEGV_MAPERR, end);
    FAULT(*(volatile char *)end, SIGSEGV, SEGV_MAPERR, end);
    FAULT(((volatile char *)end)[100000] = 1, SIGSEGV, SEGV_MAPERR, end + 100000);
#endif
}

static void jumps_to_nowhere(void)
{
    void (*null)(void) = (void (*)(void))64;
    char *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FAULT(null(), SIGSEGV, SEGV_MAPERR, 64);
    FAULT(((void (*)(void))data)(), SIGSEGV, SEGV_ACCERR, data);
#ifdef __aarch64__
    for (long nowhere = 0; nowhere < 16; nowhere++) /* by some of them an emulator may mean that nothing is there */
        FAULT(((void (*)(void))nowhere)(), nowhere % 4 ? SIGBUS : SIGSEGV, nowhere % 4 ? BUS_ADRALN : SEGV_MAPERR, nowhere);
#endif
}

static void kernel_reports_efault_instead(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pipes[2];
    pipe(pipes);
    munmap(page + 4096, 4096);
    CHECK_ERRNO(write(pipes[1], (void *)8, 1), EFAULT);
    CHECK_ERRNO(write(pipes[1], (void *)0x1234567890123456, 1), EFAULT);
    CHECK_ERRNO(access((void *)8, F_OK), EFAULT);
    memset(page, 'a', 4096);
    CHECK_ERRNO(access(page + 4000, F_OK), EFAULT); /* runs into the gap */
    page[4095] = 0;
    CHECK_ERRNO(access(page + 4000, F_OK), ENOENT);
    CHECK_ERRNO(access(page, F_OK), ENAMETOOLONG);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- ways to end ---- */

static void die_by_null(void *arg)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)16 = 1;
}
static void die_ignoring(void *arg)
{
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)16 = 1;
}
static void die_blocking(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    *(volatile int *)16 = 1;
}
static void die_by_trap(void *arg)
{
    signal(SIGTRAP, SIG_DFL);
#ifdef __aarch64__
    asm volatile("brk #0");
#else
    asm volatile("int3");
#endif
}
static void die_by_sending(void *arg) { kill(getpid(), *(int *)arg); }
static void ignore_what_is_sent(void *arg)
{
    signal(*(int *)arg, SIG_IGN);
    kill(getpid(), *(int *)arg);
    raise(*(int *)arg);
    _exit(44);
}

static void ends(void)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    CHECK(in_child(die_by_null, NULL), SIGSEGV);
    CHECK(in_child(die_ignoring, NULL), SIGSEGV);
    CHECK(in_child(die_blocking, NULL), SIGSEGV);
    CHECK(in_child(die_by_trap, NULL), SIGTRAP);
    for (int signo = 1; signo <= 64; signo++) {
        static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
                                       SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
        int expected = signo;
        for (unsigned i = 0; i < sizeof harmless / sizeof *harmless; i++)
            expected = harmless[i] == signo ? -1 : expected;
        if (expected < 0)
            continue;
        signal(signo, SIG_DFL);
        CHECK(in_child(die_by_sending, &signo), signo);
        if (signo != SIGKILL && signo != 32 && signo != 33) /* the C library keeps those from signal() */
            CHECK(in_child(ignore_what_is_sent, &signo), 44 << 8);
    }
}

int main(void)
{
    handle(SIGSEGV);
    handle(SIGBUS);
    data_faults();
    nothing_is_above_the_stack();
    jumps_to_nowhere();
    kernel_reports_efault_instead();
    ends();
    return check_end();
}
