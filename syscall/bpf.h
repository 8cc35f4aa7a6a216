/* Classic BPF as seccomp uses it: programs over struct seccomp_data. */
#ifndef SYSCALL_BPF_H
#define SYSCALL_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the kernel would take the program as a filter: only known instructions, all jumps and accesses inside,
 * no word of scratch memory read before it was written, a return at the end. */
bool bpf_valid(const struct sock_filter *program, size_t length);

/* What a valid program returns. */
uint32_t bpf_run(const struct sock_filter *program, const struct seccomp_data *data);

#endif
