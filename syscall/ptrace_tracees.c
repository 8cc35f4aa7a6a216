/* The tracees of this process: the list of them, and what is to be had of one. */
#include "ptrace_tracees.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "handlers.h"
#include "task.h"

pthread_mutex_t tracees_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tracee *tracees;

struct tracee *tracees_find(pid_t pid)
{
    struct tracee *tracee = tracees;
    while (tracee && tracee->pid != pid)
        tracee = tracee->next;
    return tracee;
}

struct tracee *tracees_add(pid_t pid)
{
    struct tracee *tracee = tracees_find(pid);
    if (!tracee) {
        tracee = calloc(1, sizeof *tracee);
        if (!tracee)
            return NULL;
        tracee->next = tracees;
        tracees = tracee;
    }
    *tracee = (struct tracee){.next = tracee->next, .pid = pid};
    return tracee;
}

void tracees_drop(pid_t pid)
{
    for (struct tracee **link = &tracees; *link; link = &(*link)->next) {
        struct tracee *found = *link;
        if (found->pid != pid)
            continue;
        *link = found->next;
        free(found);
        return;
    }
}

const struct tracee *tracees_newest(void) { return tracees; }

void tracer_child(void)
{
    pthread_mutex_init(&tracees_lock, NULL);
    tracees = NULL;
}

int64_t tracees_ptrace(long request, pid_t pid, uint64_t addr, uint64_t data)
{
    return host_raw(SYS_ptrace, (uint64_t)request, (uint64_t)pid, addr, data);
}

uint64_t tracees_host_options(uint64_t options)
{
    return (options & TRACEES_HOST_OPTIONS) | PTRACE_O_TRACEEXEC;
}

/* ---- the tracee's memory ---- */

static int remote(long call, pid_t pid, uint64_t addr, void *buffer, size_t size)
{
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)addr, size};
    int64_t done = host_raw6(call, (uint64_t)pid, (uint64_t)&here, 1, (uint64_t)&there, 1, 0);
    return done == (int64_t)size ? 0 : -EIO;
}
int tracees_fetch(const struct tracee *tracee, uint64_t addr, void *buffer, size_t size)
{
    return addr ? remote(SYS_process_vm_readv, tracee->pid, addr, buffer, size) : -EIO;
}
int tracees_store(const struct tracee *tracee, uint64_t addr, const void *buffer, size_t size)
{
    return addr ? remote(SYS_process_vm_writev, tracee->pid, addr, (void *)buffer, size) : -EIO;
}

static uint64_t traced_at(const struct tracee *tracee)
{
    return tracee->task ? tracee->task + offsetof(struct task, traced) : 0;
}
int tracees_fetch_traced(const struct tracee *tracee, struct traced *traced)
{
    return tracees_fetch(tracee, traced_at(tracee), traced, sizeof *traced);
}
int tracees_store_traced(const struct tracee *tracee, const struct traced *traced)
{
    return tracees_store(tracee, traced_at(tracee), traced, sizeof *traced);
}
