/* Core files of the guest: what the kernel writes for an ARM64 program that a signal ends (core(5)). */
#ifndef SYSCALL_COREDUMP_H
#define SYSCALL_COREDUMP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task;
struct text;

/* `info` is about to end the calling thread's process with a core dump. Writes the core file, if the guest's
 * limits and /proc/sys/kernel/core_pattern ask for one, and sees to it that the host's kernel reports a core
 * dump to the parent exactly then, without writing one of xemu. The other threads of the guest don't run any
 * more, except in system calls; when the call returns, the process must die. The host's mask is closed. */
void coredump(struct task *task, const siginfo_t *info);

/* For threads with cpu->stop set: stays here for ever if another one writes a core file. */
void coredump_park(struct task *task);

/* ---- its parts ---- */

/* What a name is made of. */
struct core_facts {
    pid_t pid, tid;
    uid_t uid;
    gid_t gid;
    int signo;
    int64_t time;   /* seconds since 1970 */
    uint64_t limit; /* RLIMIT_CORE in bytes */
    int cpu;
    const char *host;  /* name of the machine */
    const char *comm;  /* of the process */
    const char *path;  /* of the program */
    bool pid_appended; /* core_uses_pid: ".PID" is added to a name without %p */
};

/* The name that the kernel makes of core_pattern (core(5)); false if it doesn't fit into size bytes. */
bool core_name(char *name, size_t size, const char *pattern, const struct core_facts *facts);

/* The content of the note segment, appended to *out. Arguments as for core_write(). */
void core_notes(struct text *out, const struct task *dying, const struct task *threads,
                const siginfo_t *info);

/* Writes the file: for the threads of the list, of which `dying` dies of *info (it may be missing there). It
 * is cut at `limit` bytes. 0 or -errno. */
int core_write(int fd, const struct task *dying, const struct task *threads, const siginfo_t *info,
               uint64_t limit);

#endif
