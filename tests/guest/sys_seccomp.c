/* Filters of system calls are checked as the kernel does, obeyed, and inherited. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#ifdef __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(number, value) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, value)
#define ALLOW         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static long install(unsigned flags, const struct sock_filter *program, size_t length)
{
    struct sock_fprog given = {length, (struct sock_filter *)program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &given);
}
#define INSTALL(flags, ...)                                              \
    ({                                                                   \
        struct sock_filter program_[] = {__VA_ARGS__};                   \
        install(flags, program_, LENGTH(program_));                      \
    })

static void refuses_bad_programs(void *unused)
{
    struct sock_filter bad[][4] = {
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW, ALLOW, ALLOW},        /* outside of the data */
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW, ALLOW, ALLOW},         /* not aligned */
        {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW, ALLOW, ALLOW},
        {BPF_STMT(BPF_LD | BPF_MEM, 0), ALLOW, ALLOW, ALLOW},                 /* not written before */
        {BPF_STMT(BPF_ST, 16), ALLOW, ALLOW, ALLOW},
        {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0), ALLOW, ALLOW, ALLOW},  /* out of the program */
        {BPF_STMT(BPF_JMP | BPF_JA, 3), ALLOW, ALLOW, ALLOW},
        {BPF_STMT(BPF_JMP | BPF_JA, -1), ALLOW, ALLOW, ALLOW},
        {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW, ALLOW, ALLOW},
        {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW, ALLOW, ALLOW},
        {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), ALLOW, ALLOW, ALLOW},
        {ALLOW, ALLOW, ALLOW, BPF_STMT(BPF_LD | BPF_IMM, 0)},                 /* no return at the end */
        {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW},
    };
    CHECK_ERRNO(install(0, bad[0], 4), EACCES * (geteuid() != 0) + EINVAL * (geteuid() == 0));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (size_t i = 0; i < LENGTH(bad); i++)
        CHECK_ERRNO(install(0, bad[i], 4), EINVAL);
    CHECK_ERRNO(install(0, bad[0], 0), EINVAL);
    CHECK_ERRNO(install(0, bad[0], 4097), EINVAL);
    CHECK_ERRNO(install(0, (void *)16, 4), EFAULT);
    CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
    CHECK_ERRNO(INSTALL(0x4000, ALLOW), EINVAL);
    CHECK_ERRNO(syscall(SYS_seccomp, 77, 0, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
    CHECK_ERRNO(prctl(PR_SET_SECCOMP, 7, 0, 0, 0), EINVAL);
    CHECK(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
    uint32_t action = SECCOMP_RET_TRAP, unknown = 0x12340000;
    CHECK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
    CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
}

static void errno_and_arguments(void *unused)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), ALLOW),
          0);
    CHECK(INSTALL(0, LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0), ALLOW, LOAD(args[0]),
                  BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_IMM, 6), BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0),
                  BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO),
                  BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)),
          0);
    CHECK(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
    CHECK_ERRNO(getpriority(5, 0), 30);
    CHECK_ERRNO(getpriority(2, 0), 12);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff), ON(999, SECCOMP_RET_ERRNO),
                  ON(SYS_getsid, SECCOMP_RET_TRACE), ON(SYS_getpgid, SECCOMP_RET_LOG), ALLOW),
          0);
    CHECK_ERRNO(syscall(SYS_getppid), 4095);
    CHECK(syscall(999), 0);
    CHECK_ERRNO(getsid(0), ENOSYS);
    CHECK(getpgid(0) > 0, 1);
    CHECK_ERRNO(getpriority(2, 0), 12);
}

static siginfo_t trapped;
static void on_sys(int signo, siginfo_t *info, void *context)
{
    trapped = *info;
    ucontext_t *uc = context;
#ifdef __aarch64__
    uc->uc_mcontext.regs[0] = 4242;
#else
    uc->uc_mcontext.gregs[REG_RAX] = 4242;
#endif
}

static void trap_is_a_signal(void *unused)
{
    struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_TRAP | 77), ALLOW), 0);
    CHECK(syscall(SYS_getppid), 4242);
    CHECK(trapped.si_signo, SIGSYS);
    CHECK(trapped.si_code, 1); /* SYS_SECCOMP */
    CHECK(trapped.si_errno, 77);
    CHECK(trapped.si_syscall, SYS_getppid);
    CHECK((uint32_t)trapped.si_arch, ARCH);
    CHECK(trapped.si_call_addr != NULL, 1);
}

static void blocked_trap_kills(void *unused)
{
    sigset_t set;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    trap_is_a_signal(NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    syscall(SYS_getppid);
}

static void ends_with(void *action)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_getppid, (uint32_t)(uintptr_t)action), ALLOW), 0);
    syscall(SYS_getppid);
}

static void strict(void *unused)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), 0);
    write(1, "", 0);
    syscall(SYS_exit, 5);
}

static void strict_kills(void *unused)
{
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL), 0);
    getpid();
    syscall(SYS_getppid);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;

static void *waits(void *unused)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    errno = 0;
    long result = syscall(SYS_getppid);
    return (void *)(long)(result == -1 ? errno : 0);
}

static void *dies(void *unused)
{
    syscall(SYS_getsid, 0);
    return NULL;
}

static void threads_are_synchronised(void *unused)
{
    pthread_t thread;
    void *result;
    pthread_barrier_init(&barrier, NULL, 2);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (int sync = 0; sync < 2; sync++) {
        pthread_create(&thread, NULL, waits, NULL);
        pthread_barrier_wait(&barrier);
        CHECK(INSTALL(sync ? SECCOMP_FILTER_FLAG_TSYNC : 0, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_ERRNO | (20 + sync)),
                      ON(SYS_getsid, SECCOMP_RET_KILL_THREAD), ALLOW),
              0);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, &result);
        CHECK(result, sync ? 21 : 0);
        CHECK_ERRNO(syscall(SYS_getppid), 20 + sync);
    }
    pthread_create(&thread, NULL, dies, NULL); /* alone: the process goes on */
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, &result);
    CHECK(result, 21);
}

/* ---- other programs ---- */

static void other_program(void *argv0)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_ERRNO | 33), ALLOW), 0);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_getsid, SECCOMP_RET_ERRNO | 34), ALLOW), 0);
    if (vfork() == 0) {
        execl(argv0, argv0, "filtered", (char *)0);
        _exit(9);
    }
    int status;
    wait(&status);
    CHECK(status, 0);
    execl(argv0, argv0, "filtered", (char *)0);
}

static int filtered(void)
{
    CHECK(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
    CHECK_ERRNO(syscall(SYS_getppid), 33);
    CHECK_ERRNO(getsid(0), 34);
    return check_failures != 0;
}

static void clock_without_system_call(void *unused)
{
    struct timespec now;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, LOAD(nr), ON(SYS_clock_gettime, SECCOMP_RET_ERRNO | 33), ALLOW), 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now), 33);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return filtered();
    CHECK(in_child(refuses_bad_programs, NULL), 0);
    CHECK(in_child(errno_and_arguments, NULL), 0);
    CHECK(in_child(trap_is_a_signal, NULL), 0);
    CHECK(in_child(blocked_trap_kills, NULL), SIGSYS);
    CHECK(in_child(ends_with, (void *)(uintptr_t)SECCOMP_RET_KILL_PROCESS), SIGSYS);
    CHECK(in_child(ends_with, (void *)(uintptr_t)SECCOMP_RET_KILL_THREAD), SIGSYS);
    CHECK(in_child(ends_with, (void *)(uintptr_t)0x12340000), SIGSYS);
    CHECK(in_child(ends_with, (void *)(uintptr_t)SECCOMP_RET_ALLOW), 0);
    CHECK(in_child(strict, NULL), 5 << 8);
    CHECK(in_child(strict_kills, NULL), SIGKILL);
    CHECK(in_child(threads_are_synchronised, NULL), 0);
    CHECK(in_child(other_program, argv[0]), 0);
    CHECK(in_child(clock_without_system_call, NULL), 0);
    return check_end();
}
