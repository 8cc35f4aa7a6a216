/* Reports of crashes: where the guest was, as far as can be found out without a debugger. */
#ifndef XEMU_CRASH_H
#define XEMU_CRASH_H

#include <signal.h>

struct cpu;

/* A signal is about to end the guest's process; *cpu is the thread that takes it. One message to the log. */
void crash_report_guest(const struct cpu *cpu, const siginfo_t *info);

/* xemu has found a bug of its own: what it knows of the guest, to stderr. Works in signal handlers and in any state of
 * the C library's locks: a copy of the process writes, for five seconds at most. */
void crash_report_bug(const struct cpu *cpu);

#endif
