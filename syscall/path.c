/* Paths on their way from the guest to the host. */
#include "path.h"

#include <xemu/fault.h>
#include <xemu/loader.h>
#include <xemu/options.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "task.h"

int path_get(struct guest_path *path, int dirfd, uint64_t addr, bool follow)
{
    path->host = NULL;
    path->proc = PROC_NONE;
    path->text[0] = '\0';
    if (!addr)
        return 0; /* where a path may be null, the kernel knows; where not, it says EFAULT */
    long length = guest_copy_string(path->text, addr, sizeof path->text);
    if (length < 0)
        return (int)length;
    path->proc = proc_match(dirfd, path->text);
    if (path->proc == PROC_OTHER_EXE && !proc_other_exe(dirfd, path->text, path->buffer))
        path->proc = PROC_NONE;
    if (path->proc == PROC_OTHER_EXE && follow)
        path->host = path->buffer;
    else if (path->proc == PROC_EXE && follow)
        path->host = proc_exe_path();
    else if (path->proc == PROC_NONE && options.sysroot && path->text[0] == '/')
        path->host = sysroot_path(path->text, path->buffer);
    return 0;
}

/* Whether the AT_ flags among the arguments keep the last link. */
static bool flags_nofollow(const char *letters, const uint64_t args[6])
{
    const char *flags = strchr(letters, 'A');
    return flags && (args[flags - letters] & AT_SYMLINK_NOFOLLOW);
}

int64_t path_call(struct cpu *cpu, const uint64_t args[6])
{
    const struct syscall_row *row = syscall_row(cpu->x[8]);
    struct guest_path path[2]; /* no call has more */
    uint64_t host[6];
    size_t paths = 0;
    bool nofollow = flags_nofollow(row->letters, args);
    memcpy(host, args, sizeof host);
    for (int i = 0; row->letters[i]; i++) {
        if (row->letters[i] != 'p' && row->letters[i] != 'l')
            continue;
        int dirfd = i > 0 && row->letters[i - 1] == 'd' ? (int)args[i - 1] : AT_FDCWD;
        int error = path_get(&path[paths], dirfd, args[i], row->letters[i] == 'p' && !nofollow);
        if (error)
            return error;
        host[i] = path_arg(&path[paths++], args[i]);
    }
    return host_call(row->host, host);
}
