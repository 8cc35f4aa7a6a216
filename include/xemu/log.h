/* Messages and logs. Three kinds of errors: the guest's (a signal or -errno, never here), the environment's
 * (die: one clear line), our own bugs (panic). */
#ifndef XEMU_LOG_H
#define XEMU_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_item { /* ORDER log_names: core/log.c */
    LOG_IN_ASM = 1 << 0,  /* guest instructions when decoded first */
    LOG_IR = 1 << 1,      /* IR of a block */
    LOG_OUT_ASM = 1 << 2, /* host instructions of a block */
    LOG_CPU = 1 << 3,     /* guest registers before each block */
    LOG_EXEC = 1 << 4,    /* pc of each block run */
    LOG_INT = 1 << 5,     /* faults, signals and exceptions */
    LOG_PAGE = 1 << 6,    /* guest memory map after loading */
    LOG_UNIMP = 1 << 7,   /* instructions and system calls that xemu lacks */
    LOG_STRACE = 1 << 8,  /* system calls */
};

extern unsigned log_mask; /* of enum log_item */

static inline bool log_on(enum log_item item) { return __builtin_expect((log_mask & item) != 0, 0); }

/* One write(2) per call, to the log file (-D) or stderr; async-signal-safe for plain formats. */
void log_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A text of any length, to the same place. */
void log_write(const char *text, size_t length);

/* Switches on the comma-separated items of -d; `help` lists them and exits. Returns null, or what is wrong. */
const char *log_select(const char *list);

/* Where log_printf() writes, and where lines of --strace belong: for code that formats by itself. Opened when
 * first used, anew after fork() if the name has %d; out of the guest's reach. */
int log_fd(void);
int log_strace_fd(void);

/* The environment failed or the user erred: prints "xemu: <message>" to stderr and exits with `status`
 * (126 found but cannot be run, 127 not found, 1 and 2 otherwise as a shell or getopt would). */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A bug in xemu: prints it with the guest pc, the instruction there and the engine, then aborts. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
