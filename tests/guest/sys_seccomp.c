/* Filters of system calls are checked as the kernel does, obeyed, and inherited. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <elf.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/user.h>
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

/* ---- what /proc says ---- */

static long status_row(const char *name)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, name, strlen(name)))
            value = strtol(line + strlen(name), NULL, name[0] == 'S' && name[2] == 'g' ? 16 : 10);
    }
    if (file)
        fclose(file);
    return value;
}

static void on_nothing(int signo) {}

static void status_tells_of_filters_and_signals(void *unused)
{
    sigset_t set;
    long before = status_row("Seccomp_filters:");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(INSTALL(0, ALLOW), 0);
    CHECK(INSTALL(0, ALLOW), 0);
    CHECK(status_row("Seccomp:"), 2);
    CHECK(status_row("Seccomp_filters:"), before + 2);
    CHECK(status_row("SigCgt:"), 0);
    signal(SIGUSR1, on_nothing);
    signal(SIGSEGV, on_nothing);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGTRAP, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(status_row("SigCgt:"), 1 << (SIGUSR1 - 1) | 1 << (SIGSEGV - 1));
    CHECK(status_row("SigIgn:"), 1 << (SIGUSR2 - 1) | 1 << (SIGTRAP - 1));
    CHECK(status_row("SigBlk:"), 1 << (SIGBUS - 1) | 1 << (SIGHUP - 1));
}

/* ---- a debugger decides ---- */

#ifdef __aarch64__
typedef struct user_regs_struct registers;
#define NUMBER(r) (r).regs[8]
#define FIRST(r)  (r).regs[0]
#define RESULT(r) (r).regs[0]
enum { NT_NUMBER = 0x404 };
#else
typedef struct user_regs_struct registers;
#define NUMBER(r) (r).orig_rax
#define FIRST(r)  (r).rdi
#define RESULT(r) (r).rax
#endif

static void set_registers(pid_t pid, registers *r, long number)
{
    struct iovec area = {r, sizeof *r};
#ifdef __aarch64__
    int call = (int)number;
    struct iovec call_area = {&call, sizeof call};
    CHECK(ptrace(PTRACE_SETREGSET, pid, (void *)NT_NUMBER, &call_area), 0);
#endif
    NUMBER(*r) = number;
    CHECK(ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &area), 0);
#ifdef __aarch64__
    CHECK(ptrace(PTRACE_SETREGSET, pid, (void *)NT_NUMBER, &call_area), 0);
#endif
}

static void traced(void)
{
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    INSTALL(0, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_TRACE | 11), ON(SYS_getsid, SECCOMP_RET_TRACE | 12),
            ON(SYS_getpgid, SECCOMP_RET_TRACE | 13), ON(SYS_getpriority, SECCOMP_RET_ERRNO | 20), ALLOW);
    CHECK(syscall(SYS_getppid), getpid()); /* becomes getpid */
    CHECK(getsid(0), 1234);                /* is answered */
    CHECK_ERRNO(getpgid(0), 20);           /* becomes what another filter refuses */
    _exit(check_failures != 0);
}

static void debugger_decides(void *unused)
{
    static const long asked[] = {SYS_getppid, SYS_getsid, SYS_getpgid},
                      becomes[] = {SYS_getpid, -1, SYS_getpriority};
    int status;
    registers r;
    struct iovec area = {&r, sizeof r};
    pid_t pid = fork();
    if (pid == 0)
        traced();
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_TRACESECCOMP), 0);
    for (int i = 0; i < 3; i++) {
        unsigned long data = 0;
        struct __ptrace_syscall_info info = {0};
        ptrace(PTRACE_CONT, pid, 0, 0);
        CHECK(waitpid(pid, &status, 0), pid);
        CHECK(status >> 8, SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
        CHECK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &data), 0);
        CHECK(data, 11 + i);
        CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 80, 1);
        CHECK(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
        CHECK(info.seccomp.ret_data, 11 + i);
        CHECK(info.seccomp.nr, asked[i]);
        CHECK(ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &area), 0);
        if (becomes[i] == -1)
            RESULT(r) = 1234;
        set_registers(pid, &r, becomes[i]);
    }
    ptrace(PTRACE_CONT, pid, 0, 0);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(status, 0);
}

/* ---- another process answers ---- */

static int pair[2];

static void send_descriptor(int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    CHECK(sendmsg(pair[0], &message, 0), 1);
}

static int receive_descriptor(void)
{
    int fd = -1;
    char byte, control[CMSG_SPACE(sizeof fd)];
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(pair[1], &message, 0), 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void *asks_again(void *unused) { return (void *)syscall(SYS_getppid, 9, 8, 7, 6, 5, 4); }

static void asks(char *argv0)
{
    pthread_t id;
    void *result;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener =
        INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER, LOAD(nr), ON(SYS_getppid, SECCOMP_RET_USER_NOTIF),
                ON(SYS_getsid, SECCOMP_RET_USER_NOTIF), ALLOW);
    CHECK(listener >= 0, 1);
    CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER, ALLOW), EBUSY);
    send_descriptor(listener);
    close(listener);
    CHECK(syscall(SYS_getppid, 1, 2, 3, 4, 5, 6), 4711);
    CHECK_ERRNO(getsid(17), EXDEV);
    CHECK(getsid(0) > 0, 1); /* goes on */
    pthread_create(&id, NULL, asks_again, NULL);
    pthread_join(id, &result);
    CHECK(result, 4712);
    close(pair[0]);
    close(pair[1]);
    if (check_failures)
        _exit(1);
    execl(argv0, argv0, "asking", (char *)0);
}

static int asking(void)
{
    CHECK(syscall(SYS_getppid), 4713);
    CHECK_ERRNO(getsid(0), ENOSYS); /* nobody listens any more */
    return check_failures != 0;
}

/* Answers the next request, which must be for this call. One whose caller was interrupted in between is gone
 * (ENOENT), and the caller asks anew: seccomp_unotify(2) wants every listener to be ready for that. */
static struct seccomp_notif answer_next(int listener, long number, long value, int error, unsigned flags)
{
    struct pollfd poller = {listener, POLLIN};
    struct seccomp_notif request;
    int result = -1;
    errno = ENOENT;
    for (int attempt = 0; attempt < 10 && result && errno == ENOENT; attempt++) {
        CHECK(poll(&poller, 1, 60000), 1);
        CHECK(poller.revents, POLLIN);
        request = (struct seccomp_notif){0};
        result = ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request);
        if (result)
            continue;
        CHECK(request.data.nr, number);
        CHECK(request.data.arch, ARCH);
        int gone = ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id);
        struct seccomp_notif_resp response = {.id = request.id, .val = value, .error = error, .flags = flags};
        result = ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
        CHECK(gone && !result, 0);
    }
    CHECK(result, 0);
    return request;
}

static void another_process_answers(void *argv0)
{
    int status;
    struct seccomp_notif_sizes sizes;
    CHECK(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes), 0);
    CHECK(sizes.seccomp_notif, sizeof(struct seccomp_notif));
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pid_t pid = fork();
    if (pid == 0)
        asks(argv0);
    int listener = receive_descriptor();
    struct seccomp_notif request = answer_next(listener, SYS_getppid, 4711, 0, 0);
    CHECK(request.pid, pid);
    for (int i = 0; i < 6; i++)
        CHECK(request.data.args[i], i + 1);
    request = answer_next(listener, SYS_getsid, 0, -EXDEV, 0);
    CHECK(request.data.args[0], 17);
    answer_next(listener, SYS_getsid, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    request = answer_next(listener, SYS_getppid, 4712, 0, 0);
    CHECK(request.pid != pid, 1);
    CHECK(request.data.args[0], 9);
    request = answer_next(listener, SYS_getppid, 4713, 0, 0); /* of the next program */
    CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id), ENOENT);
    close(listener);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(status, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "asking"))
        return asking();
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
    CHECK(in_child(status_tells_of_filters_and_signals, NULL), 0);
    CHECK(in_child(debugger_decides, NULL), 0);
    CHECK(in_child(another_process_answers, argv[0]), 0);
    return check_end();
}
