/* What a program leaves to the one that it executes and that xemu, not the kernel, keeps. */
#ifndef SYSCALL_INHERIT_H
#define SYSCALL_INHERIT_H

#include <stdbool.h>

struct task;

/* There is something that the new program must obey from its first system call on: a debugger, or seccomp's filters. */
bool inherit_must(const struct task *task);

/* A descriptor for --inherited, close-on-exec. -1: nothing to leave; other negative numbers are -errno. */
int inherit_leave(const struct task *task);

/* Takes over what is there, or what the process has, and closes the descriptor; fd -1: nothing is. */
void inherit_take(struct task *task, int fd);

#endif
