/* What the files of the lowering share: the state of a block's translation.
 *
 * Host registers: RBP is cpu + CPU_BIAS, so that x0..x30 and SP have one-byte displacements; RSP belongs to control.c.
 * The guest registers of host.c's tables are pinned: they live in host registers at every block boundary. The other
 * host registers are temporaries for values within a block. What isn't pinned is in *cpu, and a guest register is
 * written when its instruction is done: a fault finds the guest's state complete but for the pinned registers.
 *
 * Flags are kept in cpu->flags in the host's format (jit_pack_flags); a value of the flags is `packed` in that
 * format. Conditions compare the operands of the flags' origin again, or find EFLAGS as the origin left them. */
#ifndef BACKEND_LOWER_H
#define BACKEND_LOWER_H

#include "emit.h"
#include "host.h"

#include <xemu/ir.h>
#include <xemu/jit.h>

#include <stddef.h>

enum { CPU_BIAS = 128, MAX_VALUES = 1024, MAX_EXITS = 64, FLAGS_SLOT = CPU_SPILLS, NONE = -1 };

/* Host registers by one number: general ones 0 to 15, vectors from XMM on. */
enum { XMM = 16, HOST_REGS = XMM + 32 };

/* What becomes of the flags that an operation computes: a packed value; bit 0 of a value is their carry, the only flag
 * that is read; or they stay in EFLAGS for their only reader. */
enum capture { CAPTURE_FLAGS, CAPTURE_CARRY, CAPTURE_NONE };

/* Where a value is; several at once may be true. */
struct where {
    int16_t reg;    /* a temporary, or NONE */
    int16_t slot;   /* in cpu->spill, FLAGS_SLOT in cpu->flags, or NONE */
    int16_t home;   /* guest register (of its type) that holds the same value, or NONE */
    int16_t next_at_home; /* another value that is there, or NONE */
    int16_t target; /* guest register that the result may be written to at once, or NONE */
    int16_t partner; /* of an exclusive load the store that does without the monitor, and the other way round; or NONE */
    int16_t via;    /* flags: the operation that leaves them in EFLAGS for all their users, or NONE */
    uint8_t capture; /* flags: enum capture */
    bool keeps_flags; /* a sum or product that is to leave EFLAGS alone, by LEA or MULX */
    bool done;      /* computed together with an earlier operation */
    bool packed;    /* flags in the host's format */
    bool folded;    /* never computed: a condition, an address or an operand that its users compute */
    uint8_t bytes;  /* of a vector: those from here on are zero */
    uint16_t uses;
    uint16_t last;  /* index of the last operation that needs it */
};

/* A rare case of an operation: its function is called behind the block's code. */
struct cold {
    uint8_t *jumps[3]; /* displacements that lead here; null: none */
    uint8_t *back;     /* where to go on */
    const struct ir_insn *insn;
    uint64_t pc;
    int16_t args[3];   /* host registers that hold the operands, or NONE: it is in cpu->args */
    bool negate[2];    /* operands whose sign the operation was to change */
    int16_t result;    /* host register for the result, or NONE */
    uint32_t lent;     /* lower.lent where the jumps are */
    bool packs;        /* the result is flags, to be turned into the host's format */
};

/* A jump out of the block before the instruction at pc, for this reason. */
struct way_out {
    uint8_t *jump;
    uint64_t pc;
    unsigned reason;
};

/* A way out of the block by a link. Its stub is made behind the block's code: what a link leads to at first. */
struct side_exit {
    uint8_t *poll; /* displacement of a jump that leads to the stub for good; or null */
    unsigned link; /* number in code_buffer.links */
};

/* An indirect call whose target is not in the table. */
struct call_miss {
    uint8_t *jumps[2]; /* displacements that lead here */
    const uint8_t *back;
};

/* A side of a conditional branch, behind the block's code: opens the monitor, writes the flags, which are a constant or
 * EFLAGS, and goes on. */
struct late_put {
    uint8_t *jump; /* displacement that leads here */
    uint64_t target;
    const struct ir_insn *put;       /* or null */
    const struct ir_insn *exclusive; /* the load that opens the monitor, or null */
    unsigned address, value;         /* registers that hold its operand and result */
};

/* A guest address beside the code, for the comparison at a return point. */
struct literal {
    uint8_t *displacement; /* relative to the instruction pointer */
    struct code_link *point;
};

/* An operation that functions will read when the code runs, to be copied behind it. */
struct kept {
    uint8_t *displacement; /* relative to the instruction pointer */
    const struct ir_insn *insn;
};

enum { MAX_KEPT = 256 };

struct lower {
    struct emit e;
    struct code_buffer *buffer;
    const struct ir_block *block;
    uint8_t *start;            /* of the code */
    unsigned now;              /* index of the operation */
    uint64_t pc;               /* of the guest's instruction */
    uint64_t busy;             /* registers that may not be evicted at the moment, by number */
    uint32_t lent;             /* pinned registers that the operation has as temporaries, by number */
    uint32_t on_loan;          /* those of them that it got from the operation before and leaves to the next one */
    unsigned stretch_end;      /* up to this operation pinned registers may be on loan... */
    uint32_t stretch_needs;    /* ...but for those that are needed there, by number */
    bool may_be_cold;          /* behind a jump to the rare case, which comes back later: no value may move here */
    bool lends_nothing;        /* the operation's code has places where all pinned registers must be as they are */
    int16_t in_reg[HOST_REGS]; /* value in each temporary, or NONE */
    int16_t left_in[HOST_REGS]; /* the value that is gone but still there, as nobody has taken the register, or NONE */
    int16_t slot_value[CPU_SPILLS]; /* the value that was put there last, or NONE */
    struct where w[MAX_VALUES];
    struct cold colds[256];
    unsigned cold_count;
    int16_t at_home[2][32];    /* a value that a guest register holds, or NONE: integers, vectors */
    int put_flags;             /* the value that is in cpu->flags, or NONE */
    int exclusive;             /* the load whose monitor is open but not in *cpu, or NONE */
    int late_put;              /* the put_nzcv that is left to the next conditional branch, or NONE */
    struct late_put late_puts[MAX_EXITS];
    unsigned late_put_count;
    unsigned flags_of;         /* EFLAGS are as this operation's, */
    unsigned flags_at;         /* if so many instructions have written them */
    uint32_t recipe;           /* for flags that the next operations want only if they fault; 0: none */
    bool recipe_noted;         /* it is among the sites */
    bool fp_known;             /* fp_checked when the block, or its further round, began */
    bool flags_swapped;        /* of FCMP: with the operands the other way round */
    bool fp_checked;           /* this block has found FPCR to be as SSE does it */
    uint8_t above[32];         /* of a guest vector register: the bytes from here on are zero */
    bool careful;              /* an instruction of the block traps often: its numbers are left to functions */
    bool may_have_left;        /* a conditional branch or a call stands between this instruction and the one before */
    bool plain;                /* vectors and numbers by functions: the other way needs too many registers */
    struct way_out ways_out[MAX_EXITS];
    unsigned way_out_count;
    struct side_exit exits[MAX_EXITS];
    struct literal literals[MAX_EXITS];
    struct kept kept[MAX_KEPT];
    struct call_miss call_misses[MAX_EXITS];
    unsigned exit_count, literal_count, kept_count, call_miss_count;
    int32_t counted;     /* guest instructions that the counter in work counts at once... */
    uint8_t *counted_at; /* ...and where the code has that number */
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
    if (slot == FLAGS_SLOT)
        return CPU_FIELD(flags);
    return x86_at(RBP, (int32_t)offsetof(struct cpu, spill) - CPU_BIAS + slot * 16);
}
static inline struct x86_mem constant_mem(enum jit_constant c)
{
    return x86_at(RBP, (int32_t)offsetof(struct cpu, constants) - CPU_BIAS + (int)c * 16);
}

/* A number that is known here. Addresses are not: their instructions are to be changed when the code is moved. */
static inline bool is_const(const struct lower *l, unsigned v)
{
    return insn_at(l, v)->op == IR_const && insn_at(l, v)->esz == CONST_NUMBER;
}
/* Computed where it is needed, from nothing. */
static inline bool is_immediate(const struct lower *l, unsigned v) { return insn_at(l, v)->op == IR_const; }
static inline int64_t const_of(const struct lower *l, unsigned v) { return insn_at(l, v)->imm; }
static inline bool fits32(int64_t imm) { return imm == (int32_t)imm; }
static inline bool is_vector(const struct lower *l, unsigned v) { return ir_ops[insn_at(l, v)->op].result == IR_VEC; }
static inline unsigned bytes_of(const struct ir_insn *insn) { return (unsigned)insn->lanes << insn->esz; }

/* --- registers (regs.c) --- */

/* Temporaries, busy until the operation ends. */
unsigned take_temp(struct lower *l);
unsigned take_xmm(struct lower *l); /* number of the XMM register; below 16 */
unsigned free_xmms(const struct lower *l);     /* how often take_xmm() will find one */
void leave_xmm(struct lower *l, unsigned reg); /* the operation has read it: it may be another's */
void leave_temp(struct lower *l, unsigned reg);
void take_fixed(struct lower *l, unsigned reg);

/* A register that holds the value; read only. Vectors: the number of the XMM register. */
unsigned use(struct lower *l, unsigned v);
unsigned use_xmm(struct lower *l, unsigned v);
int register_of(const struct lower *l, unsigned v); /* where it is in a register already, or NONE */
struct x86_mem memory_of(const struct lower *l, unsigned v); /* where it isn't */
void load_into(struct lower *l, unsigned reg, unsigned v);
void release_reg(struct lower *l, unsigned reg);
void bind_value(struct lower *l, unsigned v, unsigned reg);
/* Whether a temporary still has what the operation computes; then it is its value. */
bool reuse_value(struct lower *l, const struct ir_insn *insn);

/* A register for the result, to be called when the operands are in use: the pinned register of its target, or a
 * temporary. It may be the register of an operand. */
unsigned result_reg(struct lower *l);
unsigned result_xmm(struct lower *l);
/* The same, none of an operand's: it may be written before the operands are read. */
unsigned result_reg_apart(struct lower *l);
unsigned result_xmm_apart(struct lower *l);
/* The same; an operand's register that dies here is preferred. */
unsigned result_reg_from(struct lower *l, unsigned v);

/* The same for operation v, which is computed now, before its turn, from operands in ra and rb; not in rb, unless it
 * is ra. */
unsigned result_reg_early(struct lower *l, unsigned v, unsigned ra, unsigned rb);

/* The second operand of an arithmetic instruction: an immediate, a register or memory. */
enum { NO_REGISTER = HOST_REGS };
struct operand {
    bool is_imm, is_mem;
    int32_t imm;
    unsigned reg; /* or NO_REGISTER */
    struct x86_mem mem;
};
bool is_in_memory_only(const struct lower *l, unsigned v);
struct operand operand_of(struct lower *l, unsigned v, unsigned w);
void emit_op(struct lower *l, enum x86_op op, unsigned w, unsigned reg, struct operand b);

/* Guest register r of the value's type holds the value from here on; or is about to change. */
void set_home(struct lower *l, unsigned v, unsigned r);
void leave_home(struct lower *l, unsigned r, enum ir_type type);
void leave_flags(struct lower *l); /* cpu->flags is about to change */
void load_lent(struct lower *l, uint32_t lent); /* the pinned registers have the guest's values again */
void end_lending(struct lower *l);
/* Whether pinned registers may stay on loan; where not they are given back before the operation. */
bool may_be_on_loan(const struct ir_insn *insn);
void end_operation(struct lower *l);
void forget_values(struct lower *l); /* the guest's registers, and where the flags are, have changed */
void note_fault_site(struct lower *l);

/* --- what moves with the code (reloc.c) --- */

/* The four or eight bytes that were emitted last are of this kind. */
void note_reloc(struct lower *l, enum reloc_kind kind);
/* reg = an address of the guest's. */
void emit_guest_address(struct lower *l, unsigned reg, uint64_t addr);
/* addr was emitted in 32 bits: the code is good for this pc only. */
void note_fixed(struct lower *l);
void jmp_to_stub(struct lower *l, const uint8_t *stub);
void jcc_to_stub(struct lower *l, enum x86_cc cc, const uint8_t *stub);
void call_stub(struct lower *l, const uint8_t *stub);

/* --- by area --- */


/* flags.c: sets EFLAGS for a truth value; returns the condition that holds if it is 1. */
enum x86_cc emit_truth(struct lower *l, unsigned v);
/* Flags that a comparison or a test sets again. */
static inline bool has_origin(enum ir_op op) { return op == IR_nzcv_sub || op == IR_nzcv_add || op == IR_nzcv_logic; }
bool is_condition_of(const struct ir_insn *flags, unsigned cond); /* whether EFLAGS can tell it */
void note_flags(struct lower *l); /* EFLAGS are those of the operation that uses the current one's operands, or result */
bool reads_condition(const struct lower *l, unsigned user, unsigned v); /* a branch or select: of flags v */
bool is_late(const struct lower *l, unsigned v); /* a put_nzcv that its branch does, or a fault */
void emit_late_put(struct lower *l, const struct ir_insn *put); /* by RAX */
unsigned packed_flags(struct lower *l, unsigned v);
unsigned unpacked_flags(struct lower *l, unsigned v);
void pack_in_place(struct lower *l, unsigned reg);
bool lower_flags(struct lower *l, const struct ir_insn *insn);
void analyse_flags(struct lower *l);

/* The operation that computes the result of flags v, right after it, or NONE. */
int twin_of(const struct lower *l, unsigned v);
/* recipes.c: for the put_nzcv, or 0 where it has to be done. */
uint32_t recipe_of(const struct lower *l, unsigned put);

/* Each: true if it made code for the operation. */
bool lower_integer(struct lower *l, const struct ir_insn *insn);
bool lower_memory(struct lower *l, const struct ir_insn *insn);
bool lower_atomic(struct lower *l, const struct ir_insn *insn);
void find_partners(struct lower *l); /* atomic.c: where.partner */
void emit_open_monitor(struct lower *l, const struct ir_insn *load, unsigned address, unsigned value);
bool lower_vector(struct lower *l, const struct ir_insn *insn);
bool lower_shifts(struct lower *l, const struct ir_insn *insn);      /* vector_shifts.c, another */
bool lower_bits(struct lower *l, const struct ir_insn *insn);        /* vector_bits.c, a part of lower_vector() */
bool lower_permutation(struct lower *l, const struct ir_insn *insn); /* permute.c, a part of lower_vector() */
bool lower_crc32(struct lower *l, const struct ir_insn *insn);       /* vector_crypto.c, a part of lower_integer() */
bool lower_saturating(struct lower *l, const struct ir_insn *insn);  /* vector_saturate.c, another */
bool lower_crypto(struct lower *l, const struct ir_insn *insn);      /* vector_crypto.c, another */
bool lower_sm(struct lower *l, const struct ir_insn *insn);          /* vector_sm.c, a part of lower_crypto() */
bool lower_sha512(struct lower *l, const struct ir_insn *insn);      /* vector_sha512.c, a part of lower_crypto() */
bool lower_product(struct lower *l, const struct ir_insn *insn);     /* vector_products.c, a part of lower_saturating() */
bool lower_structure(struct lower *l, const struct ir_insn *insn);   /* structure.c, a part of lower_permutation() */
/* memory.c: whether the register is written again before anybody can look at it: the value needs no place there. */
bool is_overwritten(const struct lower *l, unsigned put);
bool is_zero_vector(const struct lower *l, unsigned v); /* permute.c: what tables need not have */
/* vector.c: operand `index` is one element, widened, of a product that does without the widening. */
bool is_element_of_product(const struct lower *l, const struct ir_insn *user, unsigned index);
bool lower_float(struct lower *l, const struct ir_insn *insn);
/* Before an operation with numbers: leaves where FPCR asks for what compiled code does not do. */
void lower_check_fpcr(struct lower *l, const struct ir_insn *insn);
bool looks_at_fpcr(const struct ir_insn *insn); /* whether that is such an operation */
bool is_address_part(const struct lower *l, const struct ir_insn *insn);

/* float.c: compares as FCMP at v did; returns the condition that holds if cond does. */
enum x86_cc emit_fcmp_condition(struct lower *l, unsigned v, unsigned cond);
bool is_negation_of_factor(const struct lower *l, const struct ir_insn *user, unsigned index);

/* vector.c: reg = op(a, b) with any registers; b's bytes beyond the shape's are dropped where the result needs it. */
void emit_v(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, unsigned b);
void emit_v_imm(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, unsigned b, unsigned imm);
void emit_v_unary(struct lower *l, enum x86_vop op, unsigned reg, unsigned a);
void emit_v_mem(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, struct x86_mem mem);
void move_xmm(struct lower *l, unsigned to, unsigned from);
void clear_xmm(struct lower *l, unsigned reg);
void all_ones(struct lower *l, unsigned reg);
/* Lanes by an immediate, or (esz 3) the whole register by bytes; the values are emit_v_shift()'s digits. */
enum { ROTATE_RIGHT, RIGHT = 2, BYTES_RIGHT = 3, ARITHMETIC = 4, LEFT = 6, BYTES_LEFT = 7 };
void shift_lanes(struct lower *l, unsigned esz, unsigned digit, unsigned reg, unsigned a, unsigned count);
/* reg = each lane of a (4 or 8 bytes; reg may be a) rotated left. */
void rotate_lanes(struct lower *l, unsigned esz, unsigned reg, unsigned a, unsigned count);
void zero_above(struct lower *l, unsigned reg, unsigned bytes);
void finish_vector(struct lower *l, unsigned reg, unsigned bytes);

/* vector_saturate.c: the result is in t, with anything above the shape. */
void finish_from(struct lower *l, const struct ir_insn *insn, unsigned t);
/* FPSR.QC, unless the register is zero within `bytes`; it may change above. */
void set_qc_unless_zero(struct lower *l, unsigned reg, unsigned bytes);

/* call.c */
void call_function(struct lower *l, const struct ir_insn *insn);
struct cold *new_cold(struct lower *l, const struct ir_insn *insn);
void leave_for_cold(struct lower *l, struct cold *cold, unsigned jump, enum x86_cc cc); /* jump: 0 to 2 */
void close_cold(struct lower *l, struct cold *cold); /* it comes back here */
void emit_cold(struct lower *l, const struct cold *cold);
const uint8_t *emit_call_stub(struct emit *e);
void emit_kept(struct lower *l); /* the operations that functions will read, behind all code */
/* For code_buffer.profile and counts: the code of a guest instruction begins; that of the last one has ended. */
void begin_instruction(struct lower *l);
void end_instructions(struct lower *l);
void emit_pins(struct emit *e, enum x86_op op); /* all pinned general registers, from or to *cpu */
void emit_load_state(struct emit *e);
void emit_save_state(struct emit *e);

/* control.c */
void lower_branch(struct lower *l, uint64_t target);
void lower_call(struct lower *l, const struct ir_insn *insn);
/* EFLAGS are set; cc is taken, and finds done what put does, or null. */
void lower_branch_if(struct lower *l, enum x86_cc cc, uint64_t target, const struct ir_insn *put);
void emit_late_puts(struct lower *l);
void emit_call_misses(struct lower *l);
void lower_jump(struct lower *l, const struct ir_insn *insn);
void lower_stop(struct lower *l, const struct ir_insn *insn);
void emit_leave_at(struct lower *l, uint64_t pc, unsigned reason); /* to the run loop, before the instruction at pc */
void emit_leave_where(struct lower *l, enum x86_cc cc, uint64_t pc, unsigned reason); /* the same, if cc holds */
bool lower_check_sp(struct lower *l, const struct ir_insn *insn);
void emit_ways_out(struct lower *l);
void emit_exits(struct lower *l); /* the stubs of the block's exits, behind its code */
void emit_on_c_stack(struct emit *e); /* calls the function at RAX, from a stub that was called */
void emit_c_call(struct emit *e);     /* from any code; of the stack of return points nothing is changed */

/* direct.c: the stub of system calls. Goes on at RCX, or leaves by `exit`. */
struct call_place emit_direct_call(struct emit *e, const struct direct_call *direct, const uint8_t *exit);

#endif
