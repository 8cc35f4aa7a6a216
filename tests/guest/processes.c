// dynamic
/* fork, vfork, exec, wait, pipes between processes, exit codes. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* C leaves open in which order arguments are evaluated: a call and its errno need a statement each. */
static void result(const char *what, long value)
{
    printf("%s %ld %s\n", what, value, value < 0 ? strerror(errno) : "");
}

static int run(char *const argv[], char *const envp[])
{
    int status;
    pid_t child;
    fflush(stdout);
    int error = posix_spawn(&child, argv[0], NULL, NULL, argv, envp);
    if (error) {
        printf("spawn: %s\n", strerror(error));
        return -1;
    }
    waitpid(child, &status, 0);
    return status;
}

static int child_main(int argc, char **argv)
{
    if (strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(argv[1], "print") == 0) {
        const char *name = strrchr(argv[0], '/');
        printf("[%s] has %d arguments, FOO=%s\n", name ? name + 1 : argv[0], argc, getenv("FOO"));
        return 0;
    }
    raise(atoi(argv[2]));
    return 99;
}

static void script(const char *self)
{
    FILE *file = fopen("script", "w");
    fprintf(file, "#! %s print\nignored\n", self);
    fclose(file);
    chmod("script", 0755);
    char *argv[] = {"./script", "x", "y", NULL}, *envp[] = {"FOO=script", NULL};
    pid_t child = fork();
    if (child == 0) {
        execve("script", argv, envp);
        _exit(100);
    }
    int status;
    waitpid(child, &status, 0);
    printf("script ended with %d\n", WEXITSTATUS(status));
    chmod("script", 0644);
    result("no permission", execve("script", argv, envp));
    result("nothing there", execve("nothing", argv, envp));
    result("a directory", execve(".", argv, envp));
    file = fopen("text", "w");
    fputs("no program", file);
    fclose(file);
    chmod("text", 0755);
    result("no program", execve("text", argv, envp));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child_main(argc, argv);
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length] = 0;
    printf("exe is argv[0]: %d\n", strcmp(self, argv[0]) == 0);
    int status = run((char *[]){self, "exit", "41", NULL}, environ);
    printf("exit: %d %d\n", WIFEXITED(status), WEXITSTATUS(status));
    status = run((char *[]){self, "raise", "15", NULL}, environ);
    printf("raise: %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execle(self, "another name", "print", "a b", "", (char *)NULL, (char *[]){"FOO=bar", NULL});
        _exit(100);
    }
    waitpid(child, &status, 0);
    child = vfork();
    if (child == 0) {
        execl(self, self, "exit", "7", (char *)NULL);
        _exit(100);
    }
    waitpid(child, &status, 0);
    printf("vfork: %d\n", WEXITSTATUS(status));
    printf("missing: %d\n", run((char *[]){"/does/not/exist", NULL}, environ));
    script(self);

    int ends[2], sum = 0;
    pipe(ends);
    fflush(stdout);
    for (int i = 0; i < 50; i++) {
        if (fork() == 0) {
            write(ends[1], &i, sizeof i);
            _exit(i);
        }
    }
    for (int i = 0, n; i < 50; i++) {
        read(ends[0], &n, sizeof n);
        sum += n;
    }
    int codes = 0;
    struct rusage usage;
    while (wait4(-1, &status, 0, &usage) > 0)
        codes += WEXITSTATUS(status);
    printf("sum %d, codes %d, %s\n", sum, codes, strerror(errno));
    FILE *stream = popen("echo from a shell; exit 5", "r");
    char line[100] = "";
    if (stream)
        fgets(line, sizeof line, stream);
    printf("popen: %s", line);
    printf("pclose: %d\n", WEXITSTATUS(pclose(stream)));
    printf("parents: %d\n", getppid() > 0 && getpid() > 0);
}
