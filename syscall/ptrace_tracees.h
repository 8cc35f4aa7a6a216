/* What both parts of a tracer know of its tracees: its requests (ptrace_tracer.c) and its waits
 * (ptrace_wait.c). With tracees_lock held. */
#ifndef SYSCALL_PTRACE_TRACEES_H
#define SYSCALL_PTRACE_TRACEES_H

#include "ptrace.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/ptrace.h>

enum stop_kind {
    RUNNING,
    STOP_GUEST, /* by the tracee itself, in stop() */
    STOP_HOST,  /* an event of the host's that means the same to the guest: fork, exit */
    STOP_GROUP, /* with its whole process, by job control */
};

struct tracee {
    struct tracee *next;
    pid_t pid;
    uint64_t cpu, task; /* addresses in the tracee; 0: not known yet */
    bool seized;
    bool starting; /* its xemu isn't ready: between an exec or a clone and the first stop of the guest */
    uint32_t options;
    enum stop_kind stop;
};

/* PTRACE_O_ that the host's ptrace carries out, and all that a guest may ask for. */
enum {
    TRACEES_HOST_OPTIONS = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                           PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL,
    TRACEES_OPTIONS =
        TRACEES_HOST_OPTIONS | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP
};

extern pthread_mutex_t tracees_lock;

/* Null: not one of ours. */
struct tracee *tracees_find(pid_t pid);
/* A new one, or the old one as if it were new. Null: no memory. */
struct tracee *tracees_add(pid_t pid);
void tracees_drop(pid_t pid);
/* The newest one, or null. */
const struct tracee *tracees_newest(void);

/* The host's ptrace: its result or -errno. */
int64_t tracees_ptrace(long request, pid_t pid, uint64_t addr, uint64_t data);
/* What the host is to be asked for when the guest asks for these options. */
uint64_t tracees_host_options(uint64_t options);

/* A stopped tracee's memory, and its struct traced in it: 0 or -EIO. */
int tracees_fetch(const struct tracee *tracee, uint64_t addr, void *buffer, size_t size);
int tracees_store(const struct tracee *tracee, uint64_t addr, const void *buffer, size_t size);
int tracees_fetch_traced(const struct tracee *tracee, struct traced *traced);
int tracees_store_traced(const struct tracee *tracee, const struct traced *traced);

#endif
