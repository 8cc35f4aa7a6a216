/* Mounts what a system needs and makes it the root directory. */
#include "sandbox.h"
#include "binfmt.h"
#include "commands.h"

#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Opens a path of the system as if it were the root directory already: no link leads out of it. -errno if it
 * isn't there. */
static int open_inside(int root, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

/* Makes the path, a directory or an empty file, with the directories above it. */
static void make_inside(int root, const char *path, bool directory)
{
    char *copy = text_of("%s", path);
    for (char *at = copy + 1;; at++) {
        char end = *at;
        if (end && end != '/')
            continue;
        *at = '\0';
        char *slash = strrchr(copy, '/');
        *slash = '\0';
        int parent = open_inside(root, copy[0] ? copy : "/", O_PATH | O_DIRECTORY, 0);
        *slash = '/';
        if (parent >= 0) {
            if (end || directory)
                mkdirat(parent, slash + 1, 0755);
            else
                close(openat(parent, slash + 1, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
            close(parent);
        }
        *at = end;
        if (!end)
            break;
    }
    free(copy);
}

/* The place to mount something at, made if it is missing; null if that failed. The name is good until the
 * next call. */
static const char *place_inside(int root, const char *path, bool directory)
{
    static char link[32];
    static int fd = -1;
    if (fd >= 0)
        close(fd);
    fd = open_inside(root, path, O_PATH, 0);
    if (fd == -ENOENT) {
        make_inside(root, path, directory);
        fd = open_inside(root, path, O_PATH, 0);
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return fd < 0 ? errno = -fd, NULL : link;
}

static _Noreturn void die_of_mount(const char *path)
{
    die(STATUS_FAILED, "run-root: %s cannot be mounted: %s", path, strerror(errno));
}

static void mount_inside(int root, const char *path, const char *type, unsigned long flags, const char *data)
{
    const char *place = place_inside(root, path, true);
    if (!place || mount(type, place, type, flags, data))
        die_of_mount(path);
}

/* Shows a file or directory of this machine. False: it isn't there, or its place cannot be made. */
static bool bind_inside(int root, const char *from, const char *path)
{
    struct stat info;
    if (stat(from, &info))
        return false;
    const char *place = place_inside(root, path, S_ISDIR(info.st_mode));
    return place && mount(from, place, NULL, MS_BIND | MS_REC, NULL) == 0;
}

static void mount_devices(int root)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero",    "/dev/full",
                                          "/dev/tty",  "/dev/urandom", "/dev/random"};
    static const struct {
        const char *name, *target;
    } links[] = {{"fd", "/proc/self/fd"},
                 {"stdin", "/proc/self/fd/0"},
                 {"stdout", "/proc/self/fd/1"},
                 {"stderr", "/proc/self/fd/2"},
                 {"ptmx", "pts/ptmx"}};
    mount_inside(root, "/dev", "tmpfs", MS_NOSUID, "mode=755");
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        bind_inside(root, devices[i], devices[i]); /* what this machine lacks the system lacks */
    int directory = open_inside(root, "/dev", O_PATH | O_DIRECTORY, 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i].target, directory, links[i].name))
            die_of_mount(links[i].name);
    close(directory);
    mount_inside(root, "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_inside(root, "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620");
}

/* True: xemu is registered there. */
static bool mount_binfmt(int root, const char *binary)
{
    const char *place = place_inside(root, BINFMT_PLACE, true);
    return place && mount("binfmt_misc", place, "binfmt_misc", 0, NULL) == 0 &&
           binfmt_register(place, binary, binfmt_best_flags()) == 0;
}

static void mount_kernel(int root, struct sandbox *sandbox)
{
    if (!sandbox->processes && !bind_inside(root, "/proc", "/proc"))
        die_of_mount("/proc");
    if (sandbox->processes)
        mount_inside(root, "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    bind_inside(root, "/sys", "/sys"); /* nice to have */
    sandbox->binfmt = sandbox->binfmt && sandbox->processes && mount_binfmt(root, sandbox->binary);
}

/* --bind FILE[:PLACE] */
static void mount_choices(int root)
{
    const char *value;
    for (size_t i = 0; (value = choice_nth(CHOICE_run_root_bind, i)); i++) {
        char *from = text_of("%s", value), *colon = strchr(from, ':');
        if (colon)
            *colon = '\0';
        char *absolute = realpath(from, NULL);
        const char *place = colon ? colon + 1 : absolute;
        if (!absolute)
            die(2, "--bind %s: %s", from, strerror(errno));
        if (place[0] != '/')
            die(2, "--bind %s: the place in the system should be absolute", value);
        if (!bind_inside(root, absolute, place))
            die(STATUS_FAILED, "--bind %s: %s", value, strerror(errno));
        free(absolute);
        free(from);
    }
}

static void make_read_only(void)
{
    struct statvfs fs;
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    if (statvfs("/", &fs) == 0)
        flags |= (fs.f_flag & ST_NOSUID ? MS_NOSUID : 0ul) | (fs.f_flag & ST_NODEV ? MS_NODEV : 0ul) |
                 (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0ul);
    if (mount(NULL, "/", NULL, flags, NULL))
        die_of_mount("/ read-only");
}

void sandbox_mount(struct sandbox *sandbox)
{
    char *path = realpath(sandbox->root, NULL);
    if (!path || mount(path, path, NULL, MS_BIND | MS_REC, NULL))
        die_of_mount(sandbox->root);
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        die_of_mount(sandbox->root);
    mount_kernel(root, sandbox);
    mount_devices(root);
    bind_inside(root, "/etc/resolv.conf", "/etc/resolv.conf");
    bind_inside(root, "/etc/hosts", "/etc/hosts");
    mount_choices(root);
    if (fchdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
        die(STATUS_FAILED, "run-root: %s cannot become the root directory: %s", sandbox->root,
            strerror(errno));
    close(root);
    free(path);
    if (sandbox->read_only)
        make_read_only();
}
