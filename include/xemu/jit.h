/* The compiler as an engine: translates guest blocks to host code when they run first, and links them. */
#ifndef XEMU_JIT_H
#define XEMU_JIT_H

#include <xemu/cpu.h>
#include <xemu/exit.h>
#include <xemu/ir.h>

/* As engine_run(), with the recovery point armed and MXCSR the guest's. */
enum exit_reason jit_run(struct cpu *cpu);

/* Frees the compiled code of a thread that ends. */
void jit_free(struct cpu *cpu);

/* For the signal handler: when *ucontext was interrupted in an access to guest memory by compiled code, makes it
 * go on at the exit, with cpu->pc at the guest's instruction, and returns true. cpu->fault is filled already.
 * not_canonical: the address cannot be used by the host as it is (a tagged pointer), the access is to be repeated
 * without its tag. */
bool jit_recover(struct cpu *cpu, void *ucontext, bool not_canonical);

/* After jit_run() was left by the recovery point. */
void jit_leave(struct cpu *cpu);

/* --- between jit/ and backend-x86_64/ ----------------------------------------------------------------- */

/* What compiled code gives back; link is the displacement of the jump that led out, to be patched to the block at
 * cpu->pc, or null. */
struct jit_exit {
    uint64_t reason; /* enum exit_reason */
    uint8_t *link;
};

/* Where the output goes, and where to note that the instruction at an offset may fault. */
struct code_buffer {
    uint8_t *start, *at, *end;
    struct fault_site *sites; /* ascending by offset */
    unsigned site_count, site_capacity;
    const void *exit;  /* common exit: struct jit_exit in RAX and RDX */
};

struct fault_site {
    uint32_t offset; /* of the instruction, from start */
    uint64_t pc;
};

/* Makes the entry and exit code; returns the entry: struct jit_exit entry(struct cpu *, const void *code). */
typedef struct jit_exit jit_entry(struct cpu *cpu, const void *code);
jit_entry *backend_stubs(struct code_buffer *buffer);

/* Compiles a block; returns its first instruction, or null when the buffer is full. */
const void *backend_compile(struct code_buffer *buffer, const struct ir_block *block);

/* Points the jump with this displacement at code. */
void backend_link(uint8_t *displacement, const void *code);

/* Entries of cpu->jit_table, a power of two of them: the block at pc is in entry (pc >> 2) & (entries - 1). */
enum { JIT_TABLE_ENTRIES = 1 << 14 };
struct jit_table_entry {
    uint64_t pc;
    const void *code;
};

#endif
