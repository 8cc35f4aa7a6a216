/* --strace: one line per system call and signal, decoded by the letters of syscalls.def. */
#ifndef SYSCALL_STRACE_H
#define SYSCALL_STRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xemu/log.h>
#include <xemu/options.h>

struct syscall_row;

static inline bool strace_on(void) { return __builtin_expect(options.strace, 0) || log_on(LOG_STRACE); }

/* A call that may not come back, or only later, shows on entry; the others are written when they are done. */
void strace_enter(const struct syscall_row *row, const uint64_t args[6]);
void strace_leave(const struct syscall_row *row, uint64_t number, const uint64_t args[6], int64_t result);
void strace_signal(const siginfo_t *info);

/* One line under construction (strace_args.c fills it). */
struct line {
    char text[1024];
    size_t length;
};
void line_add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strace_argument(struct line *line, char letter, const uint64_t *arg, int64_t result, bool done);
const char *strace_errno(int error);
const char *strace_signal_name(int signo);

#endif
