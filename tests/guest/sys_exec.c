/* execve and its kin: arguments, scripts, errors, and what survives. The program runs itself in many ways. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

extern char **environ;
static char self[4096];

/* The program as it finds itself: what argv says, told through the exit status. */
static int as_child(int argc, char **argv)
{
    const char *what = argv[1];
    if (!strcmp(what, "argv0"))
        return !strcmp(argv[0], argv[2]) ? 50 : 51;
    if (!strcmp(what, "env"))
        return environ[0] && !strcmp(environ[0], "ONE=1") && !environ[1] ? 50 : 51;
    if (!strcmp(what, "fds"))
        return fcntl(100, F_GETFD) == 0 && fcntl(101, F_GETFD) < 0 ? 50 : 51;
    if (!strcmp(what, "signals")) {
        sigset_t mask, pending;
        struct sigaction usr1, usr2, fpe;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        sigpending(&pending);
        sigaction(SIGUSR1, NULL, &usr1);
        sigaction(SIGUSR2, NULL, &usr2);
        sigaction(SIGFPE, NULL, &fpe);
        return sigismember(&mask, SIGTERM) && sigismember(&mask, SIGSEGV) && sigismember(&pending, SIGTERM) &&
                       sigismember(&pending, SIGSEGV) && usr1.sa_handler == SIG_IGN &&
                       usr2.sa_handler == SIG_DFL && fpe.sa_handler == SIG_IGN
                   ? 50
                   : 51;
    }
    if (!strcmp(what, "args")) { /* args a "" "b c" */
        return argc == 5 && !strcmp(argv[2], "a") && !*argv[3] && !strcmp(argv[4], "b c") ? 50 : 51;
    }
    if (!strcmp(what, "-opt x")) /* by a script: self, its argument, its name, our arguments */
        return argc == 5 && !strcmp(argv[2], "./script") && !strcmp(argv[3], "p") && !strcmp(argv[4], "q")
                   ? 50
                   : 51;
    if (!strcmp(what, "./plain"))
        return argc == 2 || (argc == 3 && !strcmp(argv[2], "./nested")) ? 50 : 51;
    return 53;
}

struct job {
    const char *path;
    char **argv, **envp;
};

static void run(void *arg)
{
    struct job *job = arg;
    execve(job->path, job->argv, job->envp ? job->envp : environ);
    _exit(errno == ENOENT    ? 100
          : errno == EACCES  ? 101
          : errno == ENOEXEC ? 102
          : errno == ELOOP   ? 103
                             : 104);
}

static int status_of(const char *path, char **argv, char **envp)
{
    struct job job = {path, argv, envp};
    int status = in_child(run, &job);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

#define RUN(path, ...) status_of(path, (char *[]){__VA_ARGS__, NULL}, NULL)

static void put_file(const char *name, const char *text, int mode)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    write(fd, text, strlen(text));
    fchmod(fd, mode);
    close(fd);
}

static void arguments(void)
{
    char *env[] = {"ONE=1", NULL};
    CHECK(RUN(self, "some name", "argv0", "some name"), 50);
    CHECK(RUN(self, "", "argv0", ""), 50);
    CHECK(RUN(self, "-x", "argv0", "-x"), 50);
    CHECK(RUN(self, "s", "args", "a", "", "b c"), 50);
    CHECK(status_of(self, (char *[]){"s", "env", NULL}, env), 50);
    CHECK(RUN("/proc/self/exe", "s", "args", "a", "", "b c"), 50);
    symlink(self, "link");
    CHECK(RUN("./link", "s", "args", "a", "", "b c"), 50);
    CHECK(RUN("link", "s", "args", "a", "", "b c"), 50);
    unlink("link");
}

static void scripts(void)
{
    char text[5000];
    snprintf(text, sizeof text, "#! \t%s  -opt x\t \nrest", self);
    put_file("script", text, 0755);
    CHECK(RUN("./script", "zero", "p", "q"), 50);
    snprintf(text, sizeof text, "#!%s", self);
    put_file("plain", text, 0755);
    CHECK(RUN("./plain", "zero"), 50);
    put_file("nested", "#!./plain\n", 0755);
    put_file("missing", "#!/no/such/thing\n", 0755);
    put_file("empty", "#! \n", 0755);
    put_file("text", "hello\n", 0755);
    put_file("nothing", "", 0755);
    put_file("not_executable", text, 0644);
    put_file("loop", "#!./loop\n", 0755);
    CHECK(RUN("./nested", "zero"), 50); /* self ./plain ./nested */
    CHECK(RUN("./missing", "zero"), 100);
    CHECK(RUN("./empty", "zero"), 102);
    CHECK(RUN("./text", "zero"), 102);
    CHECK(RUN("./nothing", "zero"), 102);
    CHECK(RUN("./not_executable", "zero"), 101);
    CHECK(RUN("./loop", "zero"), 103);
    CHECK(RUN(".", "zero"), 101);
    CHECK(RUN("./no_such", "zero"), 100);
    CHECK_ERRNO(execve("./plain/below", (char *[]){"x", NULL}, environ), ENOTDIR);
    CHECK_ERRNO(execve((char *)8, (char *[]){"x", NULL}, environ), EFAULT);
    CHECK_ERRNO(execve(self, (char **)8, environ), EFAULT);
    CHECK_ERRNO(execve(self, (char *[]){"x", (char *)8, NULL}, environ), EFAULT);
    CHECK_ERRNO(execve(self, (char *[]){"x", NULL}, (char **)8), EFAULT);
    CHECK_ERRNO(execve("", (char *[]){"x", NULL}, environ), ENOENT);
}

static void too_many_arguments(void)
{
    enum { COUNT = 4000, LENGTH = 100000 };
    char *big = malloc(LENGTH + 1), **argv = calloc(COUNT + 1, sizeof *argv);
    memset(big, 'x', LENGTH);
    big[LENGTH] = 0;
    for (int i = 0; i < COUNT; i++)
        argv[i] = big;
    CHECK_ERRNO(execve(self, argv, environ), E2BIG);
    free(argv);
    free(big);
}

static void inherit(void *arg)
{
    sigset_t set;
    dup2(1, 100);
    fcntl(dup2(1, 101), F_SETFD, FD_CLOEXEC);
    if (RUN(self, "s", "fds") != 50)
        _exit(1);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGFPE, SIG_IGN);
    signal(SIGUSR2, (void (*)(int))inherit);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    raise(SIGSEGV);
    execv(self, (char *[]){"s", "signals", NULL});
    _exit(2);
}

static void descriptors(void)
{
    int fd = open(self, O_PATH | O_CLOEXEC), directory = open("/", O_PATH | O_DIRECTORY);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", (char *[]){"s", "args", "a", "", "b c", NULL}, environ, AT_EMPTY_PATH);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status), 50);
    pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, directory, self + 1, (char *[]){"s", "args", "a", "", "b c", NULL}, environ, 0);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status), 50);

    /* a program that has no name */
    char buffer[65536];
    ssize_t length;
    int memory = memfd_create("program", MFD_CLOEXEC), from = open(self, O_RDONLY);
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        write(memory, buffer, length);
    pid = fork();
    if (pid == 0) {
        fexecve(memory, (char *[]){"s", "args", "a", "", "b c", NULL}, environ);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status), 50);
    CHECK_ERRNO(syscall(SYS_execveat, 99, "x", (char *[]){"s", NULL}, environ, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_execveat, fd, "", (char *[]){"s", NULL}, environ, 0), ENOENT);
}

static void *exec_here(void *arg)
{
    execv(self, (char *[]){"s", "args", "a", "", "b c", NULL});
    return NULL;
}
static void from_a_thread(void *arg)
{
    pthread_t thread, other;
    pthread_create(&other, NULL, (void *(*)(void *))pause, NULL);
    pthread_create(&thread, NULL, exec_here, NULL);
    for (;;)
        pause();
}

static void files_that_cannot_run(void)
{
    char path[4200];
    int directory = open(".", O_PATH);
    char *const args[] = {"s", "args", NULL};
    CHECK(symlink(self, "link"), 0);
    CHECK_ERRNO(syscall(SYS_execveat, directory, "link", args, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
    symlink("nowhere", "dangling");
    CHECK_ERRNO(syscall(SYS_execveat, directory, "dangling", args, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
    CHECK_ERRNO(syscall(SYS_execveat, directory, "dangling", args, environ, 0), ENOENT);
    close(directory);
    snprintf(path, sizeof path, "cp %s copy", self);
    system(path);
    int writer = open("copy", O_WRONLY);
    /* Linux before 6.14 can't tell xemu that somebody writes to the file: then it runs. */
    CHECK(syscall(SYS_execveat, AT_FDCWD, "copy", args, environ, 0x10000) == -1 && errno == EINVAL ? ETXTBSY
          : execve("copy", args, environ) ? errno : 0, ETXTBSY);
    close(writer);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return as_child(argc, argv);
    readlink("/proc/self/exe", self, sizeof self - 1);
    arguments();
    scripts();
    too_many_arguments();
    CHECK(WEXITSTATUS(in_child(inherit, NULL)), 50);
    descriptors();
    files_that_cannot_run();
    CHECK(WEXITSTATUS(in_child(from_a_thread, NULL)), 50);
    return check_end();
}
