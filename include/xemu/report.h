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
    PART(UNSEEN, "unseen", "at no look: what is over too soon, ends of threads in the kernel")

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

/* Before the first guest instruction. A forked child belongs to its parent's report; report_go_on(): from here on it has
 * one of its own. Nanoseconds of its CPU time that are in the parent's. */
void report_begin(void);
uint64_t report_go_on(void);
void report_forked(void);

/* The sampler's: what a thread was found at that has had so much CPU time since the look before; of a thread or process
 * that was over before a look, or goes on behind the last one; first: there was none before. child: it is one of the
 * forked processes. */
void report_look(unsigned part, uint64_t ns, bool first, bool child);
void report_unlooked(uint64_t ns);
uint64_t report_children_ns(void); /* what looks have seen of those */

/* When the process ends: writes to where -D says. */
void report_write(void);

/* Filled by jit/: bytes of code, of guest code in it, and of the cache. */
struct report_code {
    uint64_t blocks, guest_instructions, host_bytes, cache_bytes;
};
void jit_report_code(struct report_code *code);

#endif
