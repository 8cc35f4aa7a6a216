/* xemu run-root: a command in an ARM64 system, without root and without a container engine.
 *
 *   this process                    waits; removes what was unpacked for this run
 *     its child                     first process of the new process namespace: collects orphans
 *       the command                 an ARM64 program under xemu-static
 */
#include "binfmt.h"
#include "commands.h"
#include "image.h"
#include "places.h"
#include "sandbox.h"

#include <xemu/log.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127, ENV_ROOM = 512 };

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct run {
    struct sandbox sandbox;
    struct image image;   /* empty for a directory */
    const char *unpacked; /* directory to remove in the end, or null */
    char **command;       /* null-terminated */
    int binary_fd;        /* of xemu-static */
    bool all_owners;
    const char *env[ENV_ROOM];
    unsigned uid, gid;
};

/* ---- waiting ---- */

static volatile pid_t forward_to;

static void forward(int signo) { kill(forward_to, signo); }

/* Waits for the child and passes signals on to it. Orphans that come here are collected. */
static int wait_for(pid_t child)
{
    static const int passed[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    int status = 0;
    pid_t ended;
    forward_to = child;
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        signal(passed[i], forward);
    while ((ended = wait(&status)) != child)
        if (ended < 0 && errno != EINTR)
            return STATUS_FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what to run ---- */

static void set_variable(struct run *run, const char *assignment)
{
    size_t at = 0, length = strcspn(assignment, "=");
    while (run->env[at] && (strncmp(run->env[at], assignment, length) != 0 || run->env[at][length] != '='))
        at++;
    if (at < ENV_ROOM - 1)
        run->env[at] = assignment;
}

static void set_environment(struct run *run, const char *home)
{
    const char *term = getenv("TERM"), *value;
    set_variable(run, "PATH=" DEFAULT_PATH);
    set_variable(run, text_of("HOME=%s", home));
    if (term)
        set_variable(run, text_of("TERM=%s", term));
    for (size_t i = 0; run->image.env[i]; i++)
        set_variable(run, run->image.env[i]);
    for (size_t i = 0; (value = choice_nth(CHOICE_run_root_env, i)); i++) {
        if (!strchr(value, '=') || *value == '=')
            die(2, "--env %s: should be VAR=VALUE", value);
        set_variable(run, value);
    }
}

static const char *variable(const struct run *run, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; run->env[i]; i++)
        if (strncmp(run->env[i], name, length) == 0 && run->env[i][length] == '=')
            return run->env[i] + length + 1;
    return "";
}

/* A group of the system's /etc/group by name, or any number. */
static unsigned find_group(const char *wanted)
{
    struct group *entry = NULL;
    char *end;
    unsigned number = (unsigned)strtoul(wanted, &end, 10);
    if (*wanted && !*end)
        return number;
    FILE *file = fopen("/etc/group", "re");
    while (file && (entry = fgetgrent(file)) && strcmp(entry->gr_name, wanted) != 0)
        ;
    if (!entry)
        die(2, "--user %s: the system's /etc/group has no such group", wanted);
    number = entry->gr_gid;
    fclose(file);
    return number;
}

/* Finds the user in the system's /etc/passwd by name or number; a number needs no entry. */
static void find_user(struct run *run, const char **home)
{
    const char *wanted = choice_value(CHOICE_run_root_user), *colon;
    struct passwd *entry = NULL;
    char *end = "";
    *home = "/root";
    wanted = wanted ? wanted : run->image.user;
    if (!wanted)
        return;
    colon = strchrnul(wanted, ':');
    char *name = text_of("%.*s", (int)(colon - wanted), wanted);
    run->uid = (unsigned)strtoul(name, &end, 10);
    bool number = *name && !*end;
    FILE *file = fopen("/etc/passwd", "re");
    while (file && (entry = fgetpwent(file)))
        if (number ? entry->pw_uid == run->uid : strcmp(entry->pw_name, name) == 0)
            break;
    if (!entry && !number)
        die(2, "--user %s: the system's /etc/passwd has no such user", name);
    *home = entry ? text_of("%s", entry->pw_dir) : "/";
    run->gid = entry ? entry->pw_gid : run->uid;
    run->uid = entry ? entry->pw_uid : run->uid;
    if (*colon)
        run->gid = find_group(colon + 1);
    if (file)
        fclose(file);
    free(name);
}

/* As execvp does it, with the PATH of the system. */
static char *find_command(const struct run *run)
{
    const char *name = run->command[0], *path = variable(run, "PATH");
    if (strchr(name, '/'))
        return text_of("%s", name);
    while (*path) {
        size_t length = strcspn(path, ":");
        char *candidate = text_of("%.*s/%s", (int)length, path, name);
        if (access(candidate, X_OK) == 0)
            return candidate;
        free(candidate);
        path += length + (path[length] == ':');
    }
    die(STATUS_NOT_FOUND, "run-root: %s: not found in the system's PATH", name);
}

/* The kernel would run a program for this machine as it is. */
static void check_machine(const char *path)
{
    Elf64_Ehdr header = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : pread(fd, &header, sizeof header, 0);
    if (fd >= 0)
        close(fd);
    if (got < (ssize_t)sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_machine == EM_AARCH64)
        return;
    const char *machine = header.e_machine == EM_X86_64 ? "x86-64"
                          : header.e_machine == EM_386  ? "i386"
                                                        : "another machine";
    die(STATUS_CANNOT_RUN, "run-root: %s is a program for %s, not for ARM64", path, machine);
}

/* Without a handler xemu runs the program, and from then on what the program runs. */
static void run_by_hand(const struct run *run, const char *path)
{
    size_t count = 0;
    while (run->command[count])
        count++;
    const char **argv = calloc(count + 5, sizeof *argv);
    char *binary = text_of("/proc/self/fd/%d", run->binary_fd);
    if (!argv)
        die(STATUS_FAILED, "out of memory");
    argv[0] = "xemu-static", argv[1] = "-0", argv[2] = run->command[0], argv[3] = "--", argv[4] = path;
    for (size_t i = 1; i < count; i++)
        argv[4 + i] = run->command[i];
    execve(binary, (char *const *)argv, (char *const *)run->env);
    die(STATUS_CANNOT_RUN, "run-root: xemu-static cannot be run: %s", strerror(errno));
}

static _Noreturn void become_command(struct run *run)
{
    const char *home, *workdir = choice_value(CHOICE_run_root_workdir);
    find_user(run, &home);
    set_environment(run, home);
    workdir = workdir ? workdir : run->image.workdir;
    if (workdir && chdir(workdir))
        die(STATUS_FAILED, "run-root: the directory %s: %s", workdir, strerror(errno));
    char *path = find_command(run);
    if (run->gid && (setgroups(0, NULL) || setresgid(run->gid, run->gid, run->gid)))
        die(STATUS_FAILED, "run-root: group %u: %s; see newgidmap(1)", run->gid, strerror(errno));
    if (run->uid && setresuid(run->uid, run->uid, run->uid))
        die(STATUS_FAILED, "run-root: user %u: %s; see newuidmap(1)", run->uid, strerror(errno));
    check_machine(path);
    if (!run->sandbox.binfmt)
        run_by_hand(run, path);
    execve(path, run->command, (char *const *)run->env);
    die(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN, "run-root: %s: %s", path,
        errno == ENOENT ? "not there, or its interpreter is not" : strerror(errno));
}

static int run_command(struct run *run)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_command(run);
    if (child < 0)
        die(STATUS_FAILED, "run-root: no new process: %s", strerror(errno));
    return wait_for(child);
}

/* The first process of the sandbox. */
static int run_inside(struct run *run)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sandbox_mount(&run->sandbox);
    return run_command(run);
}

/* clone, and not unshare: this process itself must be able to start others when the namespace has ended. */
static int run_sandbox(struct run *run)
{
    unsigned long flags = SIGCHLD | CLONE_NEWIPC | CLONE_NEWNS | (run->sandbox.processes ? CLONE_NEWPID : 0);
    fflush(NULL);
    pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (child == 0)
        exit(run_inside(run));
    if (child > 0)
        return wait_for(child);
    fprintf(stderr, "xemu: run-root: no process namespace: %s\n", strerror(errno));
    return STATUS_FAILED;
}

/* ---- the system ---- */

static void use_image_command(struct run *run)
{
    if (run->command[0] || !run->image.command[0])
        return;
    run->command = (char **)run->image.command;
}

static void remove_unpacked(const struct run *run)
{
    char *const argv[] = {"rm", "-rf", "--", (char *)run->unpacked, NULL};
    if (run->unpacked && run_program(argv, NULL, 0))
        fprintf(stderr, "xemu: %s could not be removed\n", run->unpacked);
}

static volatile sig_atomic_t interrupted;

static void interrupt(int signo) { interrupted = signo; }

/* What an interrupted run has unpacked shall not stay. */
static void unpack_or_remove(struct run *run, const char *source)
{
    static const int ending[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        signal(ending[i], interrupt);
    bool done = image_unpack(source, run->unpacked, run->all_owners);
    if (done && !interrupted)
        return;
    remove_unpacked(run);
    exit(interrupted ? 128 + interrupted : STATUS_FAILED);
}

static void unpack_system(struct run *run, const char *source)
{
    const char *keep = choice_value(CHOICE_run_root_keep), *temporary = getenv("TMPDIR");
    char *work =
        keep ? text_of("%s.XXXXXX", keep) : text_of("%s/xemu-XXXXXX", temporary ? temporary : "/var/tmp");
    bool directory = image_is_directory(source);
    if (keep && access(keep, F_OK) == 0)
        die(STATUS_FAILED, "--keep %s: is there already; run it with xemu run-root %s", keep, keep);
    if (!mkdtemp(work))
        die(STATUS_FAILED, "run-root: no directory %s to unpack to: %s", work, strerror(errno));
    run->unpacked = work;
    unpack_or_remove(run, source);
    char *image = text_of("%s/image", work);
    if (directory || image_is_directory(image))
        image_read(&run->image, directory ? source : image);
    run->sandbox.root = text_of("%s/root", work);
    if (!keep)
        return;
    if (rename(run->sandbox.root, keep)) {
        int error = errno;
        remove_unpacked(run);
        die(STATUS_FAILED, "--keep %s: %s", keep, strerror(error));
    }
    run->sandbox.root = keep;
}

static void open_system(struct run *run, const char *source)
{
    struct stat info;
    if (stat(source, &info))
        die(STATUS_NOT_FOUND, "run-root: %s: %s; give a directory or a tar file of an ARM64 system", source,
            strerror(errno));
    if (!S_ISDIR(info.st_mode) || image_is_directory(source))
        unpack_system(run, source);
    else
        run->sandbox.root = source;
    if (run->image.architecture && strcmp(run->image.architecture, "arm64") != 0)
        fprintf(stderr, "xemu: the image says that it is for %s, not for arm64\n", run->image.architecture);
}

int command_run_root(int argc, char **argv)
{
    static struct run run;
    static char *shell[] = {"/bin/sh", NULL};
    const char *why;
    if (argc < 1)
        die(2,
            "run-root: which system? xemu run-root ROOTFS [COMMAND [ARGUMENTS]] (see xemu run-root --help)");
    run.command = argv + 1;
    run.sandbox.binary = find_static_binary(NULL, &why);
    if (!run.sandbox.binary)
        die(STATUS_FAILED, "run-root: %s", why);
    run.binary_fd = open(run.sandbox.binary, O_PATH | O_CLOEXEC);
    run.sandbox.by_root = getuid() == 0;
    run.all_owners = sandbox_enter();
    open_system(&run, argv[0]);
    use_image_command(&run);
    if (!run.command[0])
        run.command = shell;
    run.sandbox.read_only = choice_value(CHOICE_run_root_read_only) != NULL;
    run.sandbox.binfmt = choice_value(CHOICE_run_root_no_binfmt) == NULL;
    run.sandbox.processes = sandbox_has_processes();
    places_begin(run.sandbox.root);
    int status = run_sandbox(&run);
    places_end();
    remove_unpacked(&run);
    return status;
}
