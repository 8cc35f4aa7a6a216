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
 * repeat: what the host refuses the guest may do, the use of a tagged pointer or an invalid floating-point operation:
 * the instruction is done by its functions. */
bool jit_recover(struct cpu *cpu, void *ucontext, bool repeat);

/* After jit_run() was left by the recovery point. */
void jit_leave(struct cpu *cpu);

/* --- between jit/ and backend-x86_64/ ----------------------------------------------------------------- */

/* A reason that jit/ handles itself: the instruction at cpu->pc has what compiled code lacks, an address that the host
 * cannot use as it is or an invalid floating-point operation; it is to be done by its functions. */
enum { JIT_REPEAT = 100 };

/* Before backend_stubs(): finds out what the host CPU has. level: 2, 3 or 4, the most to be used. */
void backend_init(unsigned level);
/* What cpu->constants has to hold. */
const union vec *backend_constants(void);

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
    const void *call;  /* stub around the calls of functions */
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

/* NZCV in the host's format, as LAHF and SETO give it: N bit 15, Z 14, C 8, V 0; and back. */
static inline uint32_t jit_pack_flags(uint32_t nzcv)
{
    return (nzcv >> 16 & 0xc000) | (nzcv >> 21 & 0x100) | (nzcv >> 28 & 1);
}

static inline uint32_t jit_unpack_flags(uint32_t flags)
{
    return (flags & 0xc000) << 16 | (flags & 0x100) << 21 | (flags & 1) << 28;
}

/* Whether the operation's result is flags, which compiled code keeps in the host's format. A select of flags is one,
 * too: its operands tell. */
static inline bool jit_makes_flags(enum ir_op op)
{
    return op == IR_get_nzcv || op == IR_nzcv_sub || op == IR_nzcv_add || op == IR_nzcv_adc || op == IR_nzcv_logic ||
           op == IR_fcmp;
}

/* Entries of cpu->jit_table, a power of two of them: the block at pc is in entry (pc >> 2) & (entries - 1). */
enum { JIT_TABLE_ENTRIES = 1 << 14 };
struct jit_table_entry {
    uint64_t pc;
    const void *code;
};

#endif
