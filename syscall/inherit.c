/* From one guest program to the next in the same process: a file in memory whose descriptor survives execve.
 */
#include "inherit.h"

#include <xemu/log.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "task.h"

struct left {
    int traced, seized, mode;
    uint32_t options;
    struct limits limits;
};

bool inherit_must(const struct task *task) { return task->traced.on || seccomp_filters(task); }

int inherit_leave(const struct task *task)
{
    const struct traced *traced = &task->traced;
    struct left left = {traced->on, traced->seized, traced->mode, traced->options, *task->limits};
    if (!inherit_must(task) && !limits_changed(task))
        return -1;
    int fd = memfd_create("inherited", MFD_CLOEXEC);
    if (fd < 0 || write(fd, &left, sizeof left) != sizeof left || seccomp_write(task, fd)) {
        if (fd >= 0)
            close(fd);
        return -ENOMEM;
    }
    return fd;
}

void inherit_take(struct task *task, int fd)
{
    struct left left = {0};
    if (fd >= 0 && pread(fd, &left, sizeof left, 0) != sizeof left)
        die(1, "what the program before has left cannot be read");
    limits_begin(task, fd >= 0 ? &left.limits : NULL);
    task->traced.on = left.traced;
    task->traced.seized = left.seized;
    task->traced.mode = left.mode;
    task->traced.options = left.options;
    seccomp_init(task, fd, sizeof left);
    if (fd >= 0)
        close(fd);
}
