/* -L: a directory tree whose files stand in for the host's. */
#include <xemu/loader.h>
#include <xemu/options.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* These are the running machine's, whatever a tree has in their place: a tree of packages has them as empty
 * directories, and what a guest makes in them is made on the host. */
static const char *const of_the_host[] = {"/dev", "/proc", "/run", "/sys", "/tmp"};

static bool below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && (path[length] == 0 || path[length] == '/');
}

const char *sysroot_path(const char *path, char *buffer)
{
    if (!options.sysroot || path[0] != '/')
        return path;
    for (size_t i = 0; i < sizeof of_the_host / sizeof *of_the_host; i++)
        if (below(path, of_the_host[i]))
            return path;
    int length = snprintf(buffer, PATH_MAX, "%s%s", options.sysroot, path);
    if (length >= PATH_MAX || faccessat(AT_FDCWD, buffer, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return path;
    return buffer;
}
