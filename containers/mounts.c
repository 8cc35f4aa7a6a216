/* Mounts what a system needs and makes it the root directory. */
#include "sandbox.h"
#include "binfmt.h"
#include "commands.h"
#include "places.h"

#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void die_of_mount(const char *path)
{
    die(STATUS_FAILED, "run-root: %s cannot be mounted: %s", path, strerror(errno));
}

static void mount_inside(int root, const char *path, const char *type, unsigned long flags, const char *data)
{
    const char *place = place_for(root, path, true);
    if (!place || mount(type, place, type, flags, data))
        die_of_mount(path);
}

/* Takes away the right to write. What the user may not change stays as it is. */
static bool make_read_only(const char *place)
{
    struct statvfs fs;
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    if (mount_setattr(AT_FDCWD, place, AT_RECURSIVE, &attributes, sizeof attributes) == 0)
        return true;
    if (statvfs(place, &fs) == 0)
        flags |= (fs.f_flag & ST_NOSUID ? MS_NOSUID : 0ul) | (fs.f_flag & ST_NODEV ? MS_NODEV : 0ul) |
                 (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0ul);
    return mount(NULL, place, NULL, flags, NULL) == 0;
}

bool bind_read_only(const char *from, const char *place)
{
    return mount(from, place, NULL, MS_BIND | MS_REC, NULL) == 0 && make_read_only(place);
}

/* Shows a file or directory of this machine. False: it isn't there, or its place cannot be made. */
static bool bind_inside(int root, const char *from, const char *path, bool read_only)
{
    struct stat info;
    if (stat(from, &info))
        return false;
    const char *place = place_for(root, path, S_ISDIR(info.st_mode));
    if (!place || mount(from, place, NULL, MS_BIND | MS_REC, NULL))
        return false;
    if (!read_only)
        return true;
    place = place_for(root, path, true); /* what is there now */
    return place && make_read_only(place);
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
        bind_inside(root, devices[i], devices[i], false); /* what this machine lacks the system lacks */
    int directory = place_open(root, "/dev", O_PATH | O_DIRECTORY);
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
    const char *place = place_for(root, BINFMT_PLACE, true);
    return place && mount("binfmt_misc", place, "binfmt_misc", 0, NULL) == 0 &&
           binfmt_register(place, binary, binfmt_best_flags()) == 0;
}

/* What the kernel lets a file's owner write there is the whole machine's. */
static void protect_kernel(int root)
{
    static const char *const paths[] = {"/proc/sys", "/proc/irq", "/proc/bus", "/proc/sysrq-trigger"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *place = place_for(root, paths[i], true);
        if (place && !bind_inside(root, place, paths[i], true))
            die_of_mount(paths[i]);
    }
}

static void mount_kernel(int root, struct sandbox *sandbox)
{
    if (!sandbox->processes && !bind_inside(root, "/proc", "/proc", false))
        die_of_mount("/proc");
    if (sandbox->processes)
        mount_inside(root, "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (sandbox->by_root)
        protect_kernel(root);
    bind_inside(root, "/sys", "/sys", true); /* nice to have */
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
        if (!bind_inside(root, absolute, place, false))
            die(STATUS_FAILED, "--bind %s: %s", value, strerror(errno));
        free(absolute);
        free(from);
    }
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
    bind_inside(root, "/etc/resolv.conf", "/etc/resolv.conf", true);
    bind_inside(root, "/etc/hosts", "/etc/hosts", true);
    mount_choices(root);
    if (fchdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
        die(STATUS_FAILED, "run-root: %s cannot become the root directory: %s", sandbox->root,
            strerror(errno));
    close(root);
    free(path);
    if (sandbox->read_only && !make_read_only("/"))
        die_of_mount("/ read-only");
}
