/* fork, vfork, clone, posix_spawn and waiting. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

extern char **environ;
static volatile int shared_by_vfork;
static char child_stack[65536] __attribute__((aligned(16)));

static void vfork_shares_memory_and_suspends(void)
{
    int status;
    shared_by_vfork = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        usleep(20000);
        shared_by_vfork = 42;
        _exit(5);
    }
    CHECK(shared_by_vfork, 42);
    CHECK(waitpid(pid, &status, 0), pid);
    CHECK(WEXITSTATUS(status), 5);
}

static void vfork_child_has_its_own_actions_and_mask(void)
{
    sigset_t set, now;
    signal(SIGUSR1, SIG_IGN);
    pid_t pid = vfork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_DFL);
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    raise(SIGUSR1); /* still ignored */
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR2), 0);
    signal(SIGUSR1, SIG_DFL);
}

static void failing_exec_reports_to_the_parent(void)
{
    volatile int error = 0;
    char *argv[] = {"nowhere", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        execve("/nowhere/at/all", argv, environ);
        error = errno;
        _exit(127);
    }
    CHECK(error, ENOENT);
    waitpid(pid, NULL, 0);
    CHECK(posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, argv, environ), ENOENT);
    CHECK(posix_spawn(&pid, "/etc/passwd", NULL, NULL, argv, environ), EACCES);
}

static void spawn_runs_programs(void)
{
    char *argv[] = {"/proc/self/exe", "spawned", NULL};
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        int status = -1;
        CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
        CHECK(waitpid(pid, &status, 0), pid);
        CHECK(WEXITSTATUS(status), 33);
    }
}

static int on_its_own_stack(void *arg)
{
    int local;
    int inside = (char *)&local > child_stack && (char *)&local < child_stack + sizeof child_stack;
    return *(int *)arg + inside;
}

static void clone_runs_on_the_given_stack(void)
{
    int status, argument = 6;
    static const int flags[] = {SIGCHLD,
                                SIGCHLD | CLONE_FILES,
                                SIGCHLD | CLONE_VM | CLONE_VFORK,
                                SIGUSR1 | CLONE_VM | CLONE_VFORK,
                                SIGCHLD | CLONE_VFORK,
                                0};
    signal(SIGUSR1, SIG_IGN);
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        int pid = clone(on_its_own_stack, child_stack + sizeof child_stack, flags[i], &argument);
        CHECK(pid > 0, 1);
        CHECK(waitpid(pid, &status, __WALL), pid);
        CHECK(WEXITSTATUS(status), 7);
    }
    signal(SIGUSR1, SIG_DFL);
}

static volatile int beside_go, beside_ran;
static int beside(void *arg)
{
    while (!beside_go)
        ;
    beside_ran = getpid();
    return 8;
}

static void processes_run_side_by_side_in_one_memory(void)
{
    int status;
    for (int i = 0; i < 5; i++) {
        beside_go = 0;
        int pid = clone(beside, child_stack + sizeof child_stack, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD,
                        NULL);
        CHECK(pid > 0, 1);
        CHECK(waitpid(pid, &status, WNOHANG), 0);
        beside_go = 1;
        CHECK(waitpid(pid, &status, 0), pid);
        CHECK(WEXITSTATUS(status), 8);
        CHECK(beside_ran, pid);
    }
}

static void ids_are_written_where_asked(void)
{
    static pid_t parent_tid, child_tid;
    int status, pidfd = -1;
#ifdef __aarch64__
    pid_t pid =
        syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, 0, &child_tid);
#else
    pid_t pid =
        syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, &child_tid, 0);
#endif
    if (pid == 0)
        _exit(child_tid == syscall(SYS_getpid) ? 1 : 2);
    CHECK(parent_tid, pid);
    CHECK(child_tid, 0);
    waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status), 1);
    pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (pid == 0)
        _exit(0);
    CHECK(pidfd >= 0, 1);
    CHECK(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    waitpid(pid, NULL, 0);
    close(pidfd);
}

/* The child is a sibling: it has this process's parent. */
static void clone_makes_siblings(void *unused)
{
    long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(44);
    CHECK(pid > 0, 1);
    CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
}

static void clone3_works_and_checks(void)
{
    struct {
        unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, more[4];
    } args = {.exit_signal = SIGCHLD};
    int status;
    long pid = syscall(SYS_clone3, &args, 88);
    if (pid == 0)
        _exit(9);
    CHECK(waitpid((pid_t)pid, &status, 0), pid);
    CHECK(WEXITSTATUS(status), 9);
    CHECK_ERRNO(syscall(SYS_clone3, &args, 8), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone3, &args, 8192), E2BIG);
    args.more[3] = 1;
    CHECK_ERRNO(syscall(SYS_clone3, &args, 96), E2BIG);
    args.stack = 4096;
    CHECK_ERRNO(syscall(SYS_clone3, &args, 88), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

static void fork_copies_memory_and_actions(void)
{
    int status, *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int private = 1;
    signal(SIGUSR2, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) {
        *shared = 11;
        private = 2;
        raise(SIGUSR2);
        _exit(private);
    }
    waitpid(pid, &status, 0);
    CHECK(status, 2 << 8);
    CHECK(*shared, 11);
    CHECK(private, 1);
    signal(SIGUSR2, SIG_DFL);
}

static void waiting_has_its_kinds(void)
{
    siginfo_t info = {0};
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    CHECK(info.si_code, CLD_EXITED);
    CHECK(info.si_status, 3);
    CHECK(waitid(P_PID, pid, &info, WEXITED), 0);
    CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_IGN); /* children vanish by themselves */
    pid = fork();
    if (pid == 0)
        _exit(3);
    CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void many_forks_deep(void)
{
    int status;
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pid_t inner = vfork();
            if (inner == 0)
                _exit(1);
            waitpid(inner, &status, 0);
            _exit(WEXITSTATUS(status) + i % 7);
        }
        waitpid(pid, &status, 0);
        CHECK(WEXITSTATUS(status), 1 + i % 7);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "spawned"))
        return 33;
    vfork_shares_memory_and_suspends();
    vfork_child_has_its_own_actions_and_mask();
    failing_exec_reports_to_the_parent();
    spawn_runs_programs();
    clone_runs_on_the_given_stack();
    processes_run_side_by_side_in_one_memory();
    ids_are_written_where_asked();
    CHECK(in_child(clone_makes_siblings, NULL), 0);
    int sibling;
    CHECK(wait(&sibling) > 0, 1);
    CHECK(sibling, 44 << 8);
    clone3_works_and_checks();
    fork_copies_memory_and_actions();
    waiting_has_its_kinds();
    many_forks_deep();
    return check_end();
}
