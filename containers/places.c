/* The list of what was made is in memory that parent and child share: the child knows what it makes, the
 * parent is there when the child and its mounts have gone. */
#include "places.h"
#include "commands.h"

#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MADE = 64, LINKS = 8 };

static struct list {
    int root; /* the system's directory, locked */
    unsigned count;
    struct made {
        dev_t device;
        ino_t inode;
        bool directory;
        char path[PATH_MAX];
    } made[MADE];
} * list;

static int open_at(int root, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

int place_open(int root, const char *path, uint64_t flags) { return open_at(root, path, flags, 0); }

/* The directory above a path, and the path's last name. */
static int open_parent(int root, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char *above = text_of("%.*s", (int)(slash - path + 1), path);
    int fd = place_open(root, above, O_PATH | O_DIRECTORY);
    free(above);
    *name = slash + 1;
    return fd;
}

void places_begin(const char *root)
{
    list = mmap(NULL, sizeof *list, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        die(STATUS_FAILED, "out of memory");
    list->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list->root < 0)
        die(STATUS_FAILED, "run-root: %s: %s", root, strerror(errno));
    flock(list->root, LOCK_SH); /* where there are no locks there are leftovers */
}

static void keep(int parent, const char *name, const char *path, bool directory)
{
    struct stat info;
    struct made *made = &list->made[list->count];
    if (list->count == MADE || strlen(path) >= sizeof made->path ||
        fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW))
        return;
    *made = (struct made){.device = info.st_dev, .inode = info.st_ino, .directory = directory};
    strcpy(made->path, path);
    list->count++;
}

static void make(int root, const char *path, bool directory)
{
    const char *name;
    int parent = open_parent(root, path, &name), fd = -1;
    if (parent < 0)
        return;
    bool made = directory ? mkdirat(parent, name, 0755) == 0
                          : (fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)) >= 0;
    if (made)
        keep(parent, name, path, directory);
    if (fd >= 0)
        close(fd);
    close(parent);
}

/* Makes the path, a directory or an empty file, with the directories above it. */
static void make_all(int root, const char *path, bool directory)
{
    char *above = text_of("%s", path);
    for (char *slash = above; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        make(root, above, true);
        *slash = '/';
    }
    free(above);
    make(root, path, directory);
}

/* Where a link leads, as a path of the system; malloc'd. Null: it is no link. */
static char *target_of(int root, const char *path)
{
    char target[PATH_MAX];
    const char *name;
    int parent = open_parent(root, path, &name);
    ssize_t length = parent < 0 ? -1 : readlinkat(parent, name, target, sizeof target - 1);
    if (parent >= 0)
        close(parent);
    if (length <= 0)
        return NULL;
    target[length] = '\0';
    return target[0] == '/' ? text_of("%s", target) : text_of("%.*s%s", (int)(name - path), path, target);
}

const char *place_for(int root, const char *path, bool directory)
{
    static char link[32];
    static int fd = -1;
    if (fd >= 0)
        close(fd);
    fd = place_open(root, path, O_PATH);
    if (fd == -ENOENT) {
        char *at = text_of("%s", path), *target;
        for (int links = 0; links < LINKS && (target = target_of(root, at)); links++) {
            free(at);
            at = target;
        }
        make_all(root, at, directory);
        free(at);
        fd = place_open(root, path, O_PATH);
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return fd < 0 ? errno = -fd, NULL : link;
}

static void unmake(const struct made *made)
{
    struct stat info;
    const char *name;
    int parent = open_parent(list->root, made->path, &name);
    if (parent < 0)
        return;
    bool same = fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_dev == made->device &&
                info.st_ino == made->inode;
    if (same && (made->directory || info.st_size == 0))
        unlinkat(parent, name, made->directory ? AT_REMOVEDIR : 0); /* a directory with files in it stays */
    close(parent);
}

void places_end(void)
{
    /* Removing a place ends what is mounted there in other namespaces. */
    if (flock(list->root, LOCK_EX | LOCK_NB) == 0)
        while (list->count > 0)
            unmake(&list->made[--list->count]);
    close(list->root);
}
