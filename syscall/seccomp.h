/* Filters of system calls: seccomp(2), in the guest's numbers. */
#ifndef SYSCALL_SECCOMP_H
#define SYSCALL_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;
struct task;
struct seccomp_filter;

/* In struct task: what this thread has let itself be restricted to. */
struct seccomp {
    volatile int mode; /* SECCOMP_MODE_; another thread may set it (TSYNC) */
    struct seccomp_filter *filter; /* the newest one */
};

/* Asks the filters about the call that cpu is about to make. True: *result is what it gets instead, or RESULT_NONE
 * if there was a signal, or RESULT_RESTART. May not return. */
bool seccomp_refuses(struct cpu *cpu, const uint64_t args[6], int64_t *result);

/* The first thread of the process, with the filters at offset `at` of the file that the program before left. */
void seccomp_init(struct task *task, int fd, size_t at);
bool seccomp_filters(const struct task *task); /* there are some */
unsigned seccomp_count(const struct task *task); /* how many */
int seccomp_write(const struct task *task, int fd); /* the newest first: length, program; 0 or -errno */

/* A thread joins those of this process, under the restrictions of the one that makes it. */
void seccomp_thread_begin(struct task *task, const struct task *parent);

int64_t seccomp_set_mode(struct cpu *cpu, uint64_t operation, uint64_t flags, uint64_t addr);

#endif
