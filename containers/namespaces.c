/* Becomes root of a user namespace. */
#include "sandbox.h"
#include "commands.h"

#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_IDS = 65536 };

static bool write_map(pid_t pid, const char *name, const char *text)
{
    char *path = text_of("/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    free(path);
    return done;
}

/* The user's name in /etc/passwd, or the number. */
static char *user_name(unsigned uid)
{
    struct passwd *entry = NULL;
    FILE *file = fopen("/etc/passwd", "re");
    while (file && (entry = fgetpwent(file)) && entry->pw_uid != uid)
        ;
    char *name = entry ? text_of("%s", entry->pw_name) : text_of("%u", uid);
    if (file)
        fclose(file);
    return name;
}

/* The range that /etc/subuid or /etc/subgid gives to the user: lines of name:first:count. */
static bool find_range(const char *path, unsigned *first, unsigned *count)
{
    char line[256], name[128], *user = user_name(getuid());
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "%127[^:]:%u:%u", name, first, count) == 3 && strcmp(name, user) == 0 && *count;
    if (file)
        fclose(file);
    free(user);
    return found;
}

/* Root inside is the caller, the others come from the range. */
static bool map_by_helper(const char *helper, const char *file, pid_t pid, unsigned own)
{
    unsigned first, count;
    char output[256];
    if (!find_range(file, &first, &count))
        return false;
    char *words[] = {(char *)helper,       text_of("%d", (int)pid), "0", text_of("%u", own), "1", "1",
                     text_of("%u", first), text_of("%u", count),    NULL};
    return run_program(words, output, sizeof output) == 0;
}

/* In a process outside of the namespace, which alone may write more than one line. */
static bool map_all(pid_t pid)
{
    if (geteuid() == 0) {
        char *all = text_of("0 0 %d\n", ALL_IDS);
        return write_map(pid, "uid_map", all) && write_map(pid, "gid_map", all);
    }
    return map_by_helper("newuidmap", "/etc/subuid", pid, getuid()) &&
           map_by_helper("newgidmap", "/etc/subgid", pid, getgid());
}

/* Maps this process when it closes `start`; the exit status tells whether it worked. */
static pid_t start_mapper(int *start)
{
    int link[2];
    pid_t self = getpid();
    if (pipe2(link, O_CLOEXEC))
        die(STATUS_FAILED, "run-root: no pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t mapper = fork();
    if (mapper == 0) {
        char byte;
        close(link[1]);
        bool told = read(link[0], &byte, 1) == 1;
        _exit(told && map_all(self) ? 0 : 1);
    }
    close(link[0]);
    *start = link[1];
    return mapper;
}

static _Noreturn void die_of_namespaces(int error)
{
    die(STATUS_FAILED, "run-root needs user namespaces, which are refused here: %s (xemu doctor tells why)",
        strerror(error));
}

bool sandbox_enter(void)
{
    int start, status = 1;
    unsigned uid = geteuid(), gid = getegid();
    pid_t mapper = start_mapper(&start);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
        die_of_namespaces(errno);
    bool all = write(start, "x", 1) == 1 && waitpid(mapper, &status, 0) == mapper && status == 0;
    close(start);
    if (!all) {
        char *uids = text_of("0 %u 1\n", uid), *gids = text_of("0 %u 1\n", gid);
        write_map(getpid(), "setgroups", "deny");
        if (!write_map(getpid(), "uid_map", uids) || !write_map(getpid(), "gid_map", gids))
            die_of_namespaces(errno);
        free(uids);
        free(gids);
    }
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0) || (all && setgroups(0, NULL)))
        die_of_namespaces(errno);
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        die_of_namespaces(errno);
    return all;
}

bool sandbox_has_processes(void)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS))
            _exit(1);
        pid_t first = fork();
        if (first == 0)
            _exit(mount("proc", "/tmp", "proc", 0, NULL) ? 1 : 0);
        _exit(first > 0 && waitpid(first, &status, 0) == first && status == 0 ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
