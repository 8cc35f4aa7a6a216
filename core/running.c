/* Whether a thread or process runs, as /proc shows it. */
#include "running.h"
#include "family.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static int tasks = -1; /* /proc/self/task, in the sampler's own table of descriptors */

/* The guest must not find its descriptors numbered otherwise: what the sampler opens is in a table of its
 * own. */
static void open_tasks(void)
{
    static int64_t done; /* in which process */
    int64_t self = kernel_call(SYS_getpid, 0, 0, 0, 0, 0);
    if (done == self)
        return;
    done = self;
    tasks = -1;
    if (kernel_call(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0, 0) == 0)
        tasks = (int)kernel_call(SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)"/proc/self/task", O_RDONLY | O_DIRECTORY, 0, 0);
}

/* What has this file "stat". */
static bool is_running(const char *path)
{
    char text[256];
    open_tasks();
    if (tasks < 0)
        return true;
    int64_t fd = kernel_call(SYS_openat, (uint64_t)tasks, (uint64_t)path, O_RDONLY, 0, 0), n = -1;
    if (fd >= 0) {
        n = kernel_call(SYS_read, (uint64_t)fd, (uint64_t)text, sizeof text - 1, 0, 0);
        kernel_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0);
    }
    text[n > 0 ? n : 0] = 0;
    const char *behind = strrchr(text, ')');
    return behind && behind[1] && behind[2] == 'R';
}

bool thread_is_running(int tid)
{
    char path[32];
    snprintf(path, sizeof path, "%d/stat", tid);
    return is_running(path);
}

bool process_is_running(int pid)
{
    char path[32];
    snprintf(path, sizeof path, "../../%d/stat", pid);
    return is_running(path);
}
