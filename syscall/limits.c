/* Limits of resources. Those on the address space would hit xemu's code cache and heap instead of the guest:
 * the host doesn't get to know them, core/guestmem.c obeys them for the guest's mappings alone. */
#include "limits.h"

#include <xemu/fault.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <linux/capability.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

static struct limits process_limits;
static struct rlimit64 host_as, host_data; /* before limits_apply() */

static struct rlimit64 *kept_limit(const struct task *task, uint64_t pid, uint64_t resource)
{
    if (pid != 0 && (int)pid != getpid())
        return NULL;
    if ((int)resource == RLIMIT_AS)
        return &task->limits->as;
    return (int)resource == RLIMIT_DATA ? &task->limits->data : NULL;
}

static uint64_t with(uint64_t limit, uint64_t more)
{
    return limit > UINT64_MAX - more ? UINT64_MAX : limit + more;
}

static void enforce(const struct limits *limits)
{
    uint64_t stack = guest_image.stack_high - guest_image.stack_low;
    uint64_t not_counted = stack > STACK_BEGINS_WITH ? stack - STACK_BEGINS_WITH : 0;
    guest_limit(with(limits->as.rlim_cur, not_counted), with(limits->data.rlim_cur, stack),
                guest_image.end_data - guest_image.start_data);
}

static int64_t change_kept(const struct task *task, struct rlimit64 *kept, uint64_t new_addr,
                           uint64_t old_addr)
{
    struct rlimit64 new, old = *kept;
    if (new_addr) {
        if (guest_copy_in(&new, new_addr, sizeof new))
            return -EFAULT;
        if (new.rlim_cur > new.rlim_max)
            return -EINVAL;
        if (new.rlim_max > old.rlim_max && !has_capability(CAP_SYS_RESOURCE))
            return -EPERM;
        *kept = new;
        if (!task->vfork_child)
            enforce(task->limits);
    }
    return old_addr ? guest_copy_out(old_addr, &old, sizeof old) : 0;
}

int64_t sys_prlimit64(struct cpu *cpu, const uint64_t args[6])
{
    struct rlimit64 *kept = kept_limit(cpu->task, args[0], args[1]);
    return kept ? change_kept(cpu->task, kept, args[2], args[3]) : host_call(SYS_prlimit64, args);
}

int64_t sys_getrlimit(struct cpu *cpu, const uint64_t args[6])
{
    if (!args[1])
        return -EFAULT;
    return sys_prlimit64(cpu, (const uint64_t[6]){0, args[0], 0, args[1]});
}

int64_t sys_setrlimit(struct cpu *cpu, const uint64_t args[6])
{
    if (!args[1])
        return -EFAULT;
    return sys_prlimit64(cpu, (const uint64_t[6]){0, args[0], args[1], 0});
}

/* ---- from program to program ---- */

static struct rlimit64 take_host(enum __rlimit_resource resource)
{
    struct rlimit64 found, raised;
    getrlimit64(resource, &found);
    raised = found;
    raised.rlim_cur = raised.rlim_max;
    setrlimit64(resource, &raised);
    return found;
}

void limits_begin(struct task *task, const struct limits *left)
{
    process_limits = (struct limits){take_host(RLIMIT_AS), take_host(RLIMIT_DATA)};
    if (left)
        process_limits = *left;
    task->limits = &process_limits;
    enforce(task->limits);
}

void limits_borrow(struct task *child, const struct task *parent)
{
    child->borrowed_limits = *parent->limits;
    child->limits = &child->borrowed_limits;
}

void limits_own(struct task *task)
{
    if (task->limits == &process_limits)
        return;
    process_limits = *task->limits;
    task->limits = &process_limits;
    enforce(task->limits);
}

/* The host's soft limits are its hard ones. */
bool limits_changed(const struct task *task)
{
    struct rlimit64 as, data;
    getrlimit64(RLIMIT_AS, &as);
    getrlimit64(RLIMIT_DATA, &data);
    return task->limits->as.rlim_cur != as.rlim_cur || task->limits->as.rlim_max != as.rlim_max ||
           task->limits->data.rlim_cur != data.rlim_cur || task->limits->data.rlim_max != data.rlim_max;
}

static void apply_one(enum __rlimit_resource resource, struct rlimit64 limit, rlim64_t least)
{
    if (limit.rlim_cur < least)
        limit.rlim_cur = least < limit.rlim_max ? least : limit.rlim_max;
    setrlimit64(resource, &limit);
}

void limits_apply(const struct task *task, rlim64_t least)
{
    getrlimit64(RLIMIT_AS, &host_as);
    getrlimit64(RLIMIT_DATA, &host_data);
    apply_one(RLIMIT_AS, task->limits->as, least);
    apply_one(RLIMIT_DATA, task->limits->data, least);
}

static void take_back(enum __rlimit_resource resource, const struct rlimit64 *before)
{
    if (setrlimit64(resource, before))
        take_host(resource); /* the hard limit stays */
}

void limits_take_back(void)
{
    take_back(RLIMIT_AS, &host_as);
    take_back(RLIMIT_DATA, &host_data);
}
