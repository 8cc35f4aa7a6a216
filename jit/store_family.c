/* A store for one family of processes: where the file system has no place for one, as in a chroot without /dev/shm, it
 * is memory that is mounted nowhere. Whoever forks first makes it, holds a descriptor of it, and is asked for it by the
 * programs that its children run, by way of /proc. It is gone with the last of them.
 *
 * Takes a root that may mount, and finds only one's parent's: that is what installs packages. The directory's owner and
 * rights are those of any other store. */
#include "store.h"

#include <xemu/sys.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the mount's root directory: by this the descriptor is known. */
#define NAME "xemu-store"

enum { TMPFS = 0x01021994 };

/* Keeps the descriptor, and names the store by it. */
static bool adopt(char *path, size_t size, int fd)
{
    struct statfs fs;
    struct stat info;
    bool good = !fstatfs(fd, &fs) && fs.f_type == TMPFS && !fstatat(fd, NAME, &info, AT_SYMLINK_NOFOLLOW) &&
                S_ISDIR(info.st_mode) && info.st_uid == geteuid();
    if (good)
        snprintf(path, size, "/proc/self/fd/%d/" NAME, sys_own_fd(fd));
    else
        close(fd);
    return good;
}

bool store_of_parent(char *path, size_t size)
{
    char name[64];
    _Alignas(8) char entries[4096];
    bool found = false;
    if (geteuid() != 0)
        return false;
    snprintf(name, sizeof name, "/proc/%d/fd", getppid());
    int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return false;
    for (long bytes; !found && (bytes = syscall(SYS_getdents64, dir, entries, sizeof entries)) > 0;)
        for (long at = 0; !found && at < bytes; at += ((struct store_dirent *)(entries + at))->size) {
            const char *number = ((struct store_dirent *)(entries + at))->name;
            bool is_root = readlinkat(dir, number, name, sizeof name) == 1; /* "/": of something mounted, or not mounted */
            int fd = is_root ? openat(dir, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
            found = fd >= 0 && adopt(path, size, fd);
        }
    close(dir);
    return found;
}

bool store_for_children(char *path, size_t size)
{
    if (geteuid() != 0 || prctl(PR_GET_SECCOMP) != 0) /* whose filter might end the process */
        return false;
    int made = -1, fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return false;
    if (!fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) && !fsconfig(fs, FSCONFIG_SET_STRING, "size", "256m", 0) &&
        !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        made = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    close(fs);
    int fd = made < 0 ? -1 : openat(made, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made >= 0)
        close(made);
    return fd >= 0 && !mkdirat(fd, NAME, 0700) && adopt(path, size, fd);
}
