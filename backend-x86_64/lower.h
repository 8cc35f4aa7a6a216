/* What the files of the lowering share: the state of a block's translation and the registers. */
#ifndef BACKEND_LOWER_H
#define BACKEND_LOWER_H

#include "emit.h"

#include <xemu/ir.h>
#include <xemu/jit.h>

#include <stddef.h>

enum { CPU_BIAS = 128, MAX_VALUES = 1024, MAX_EXITS = 64, NONE = -1 };

/* Guest registers that live in host registers while compiled code runs; 31 is SP. */
struct pin {
    uint8_t guest, host;
};
enum { PINS = 5 };
extern const struct pin pins[PINS];

/* Where a value is; several at once may be true. */
struct where {
    int16_t reg;   /* a temporary, or NONE */
    int16_t slot;  /* in cpu->spill, or NONE */
    int16_t home;  /* guest register (of its type) that holds the same value, or NONE */
    bool packed;   /* flags in the host's format */
    bool folded;   /* never computed: a condition or an address that its users compute */
    uint16_t uses;
    uint16_t last; /* index of the last operation that needs it */
};

/* A rare case of an operation: its function is called behind the block's code. */
struct cold {
    uint8_t *jumps[3]; /* displacements that lead here; null: none */
    uint8_t *back;     /* where to go on */
    const struct ir_insn *insn;
    struct x86_mem args[3], result;
    int16_t reg;       /* where to load an integer result, or NONE */
    bool packs;        /* the result is flags, to be turned into the host's format */
};

/* A way out of the block by a link. Its stub is made behind the block's code: what a link leads to at first. */
struct side_exit {
    uint8_t *poll; /* displacement of a jump that leads to the stub for good; or null */
    unsigned link; /* number in code_buffer.links */
};

/* A guest address beside the code, for a comparison. */
struct literal {
    uint8_t *displacement; /* relative to the instruction pointer */
    uint64_t value;
};

struct lower {
    struct emit e;
    struct code_buffer *buffer;
    const struct ir_block *block;
    unsigned now;              /* index of the operation */
    uint64_t pc;               /* of the guest's instruction */
    uint16_t busy;             /* temporaries that may not be evicted at the moment, by register number */
    int16_t in_reg[16];        /* value in each temporary, or NONE */
    bool slot_used[CPU_SPILLS];
    struct where w[MAX_VALUES];
    struct cold colds[128];
    unsigned cold_count;
    struct side_exit exits[MAX_EXITS];
    struct literal literals[MAX_EXITS];
    unsigned exit_count, literal_count;
    bool failed;
};

#define CPU_FIELD(member) x86_at(RBP, (int32_t)offsetof(struct cpu, member) - CPU_BIAS)

static inline const struct ir_insn *insn_at(const struct lower *l, unsigned v) { return &l->block->insns[v]; }
static inline struct x86_mem x_mem(unsigned r)
{
    return x86_at(RBP, (int32_t)(offsetof(struct cpu, x) + 8 * r) - CPU_BIAS);
}
static inline struct x86_mem v_mem(unsigned r)
{
    return x86_at(RBP, (int32_t)(offsetof(struct cpu, v) + 16 * r) - CPU_BIAS);
}
static inline struct x86_mem slot_mem(int slot)
{
    return x86_at(RBP, (int32_t)offsetof(struct cpu, spill) - CPU_BIAS + slot * 16);
}

/* lower.c */
int take_slot(struct lower *l);
unsigned take_temp(struct lower *l);
void take_fixed(struct lower *l, unsigned reg);
void bind_value(struct lower *l, unsigned v, unsigned reg);
unsigned use_reg(struct lower *l, unsigned v);
struct x86_mem vector_memory(const struct lower *l, unsigned v);

/* Where the result of the current operation, a vector, goes: its home if put_vreg follows, else a slot. */
struct x86_mem vector_destination(struct lower *l);

/* control.c */
void lower_branch(struct lower *l, uint64_t target, enum branch_kind kind);
void lower_branch_if(struct lower *l, enum x86_cc cc, uint64_t target); /* EFLAGS are set; cc is taken */
void lower_jump(struct lower *l, const struct ir_insn *insn);
void lower_stop(struct lower *l, const struct ir_insn *insn);
void emit_exits(struct lower *l); /* the stubs of the block's exits, behind its code */

/* Calls a C function on the thread's C stack; uses RAX. */
void call_c(struct lower *l, const void *function);

/* lower_vector.c: true if it made code for the operation. */
bool lower_vector(struct lower *l, const struct ir_insn *insn);

#endif
