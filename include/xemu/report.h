/* --report: where the CPU time of a guest program goes. */
#ifndef XEMU_REPORT_H
#define XEMU_REPORT_H

#include <xemu/cpu.h>

/* What a thread is doing; in cpu->part at all times. */
#define REPORT_PARTS(PART)                                                   \
    PART(START, "start", "start: loading the program, before its first instruction") \
    PART(DISPATCH, "dispatch", "finding and linking blocks, the run loop")   \
    PART(COMPILE, "compile", "compiling")                                    \
    PART(CODE, "code", "compiled code, and functions that it calls")         \
    PART(INTERPRETER, "interpreter", "the interpreter and the IR evaluator") \
    PART(SYSCALL, "syscalls", "system calls, with the host's kernel")        \
    PART(SIGNAL, "signals", "delivering signals")                            \
    PART(FAULT, "faults", "faults and undefined instructions")               \
    PART(UNSEEN, "unseen", "ends of threads in the kernel, and helper threads of xemu's: by difference")

enum report_part {
#define PART(name, key, text) PART_##name,
    REPORT_PARTS(PART)
#undef PART
    PARTS
};

static inline void report_enter(struct cpu *cpu, enum report_part part)
{
    cpu->part = (uint8_t)part;
}

/* Before the first guest instruction; and in a forked child. */
void report_begin(void);
void report_forked(void);

/* The sampler's: the thread has had so much CPU time since its last look. */
void report_look(const struct cpu *cpu, uint64_t ns);

/* When the process ends: writes to where -D says. */
void report_write(void);

/* Filled by jit/: bytes of code, of guest code in it, and of the cache. */
struct report_code {
    uint64_t blocks, guest_instructions, host_bytes, cache_bytes;
};
void jit_report_code(struct report_code *code);

#endif
