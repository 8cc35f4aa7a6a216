/* Limits of resources that the guest must feel and xemu must not: RLIMIT_AS and RLIMIT_DATA. */
#ifndef SYSCALL_LIMITS_H
#define SYSCALL_LIMITS_H

#include <stdbool.h>
#include <sys/resource.h>

struct task;

/* The kernel counts what a stack has grown to, in bytes, which begins with this much; xemu maps all of it at once. */
enum { STACK_BEGINS_WITH = 132 << 10 };

/* As the guest knows them, in bytes. A process has one; a vfork child has its own in its task. */
struct limits {
    struct rlimit64 as, data;
};

/* At the start of a program: with what xemu was started with, or what the program before has left (else
 * null). xemu's own soft limits are raised as far as they may be. */
void limits_begin(struct task *task, const struct limits *left);

/* A vfork child begins; a fork's child, whose parent may be one, has a process of its own. */
void limits_borrow(struct task *child, const struct task *parent);
void limits_own(struct task *task);

/* The guest's limits become the host's, for a program that doesn't learn of them by struct limits; `least`
 * bytes of address space are left in any case. After an execve that failed they are taken back as far as the
 * kernel allows. */
void limits_apply(const struct task *task, rlim64_t least);
void limits_take_back(void);

/* They aren't the host's. */
bool limits_changed(const struct task *task);

#endif
