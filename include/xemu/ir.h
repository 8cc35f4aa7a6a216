/* The intermediate representation: a list of operations in SSA form, one guest block (later region) at a time.
 * Integers are 64 bits wide; an operation of width 32 reads the low half of its operands and zero-extends its
 * result. Vectors have a shape: lanes of 1 << esz bytes; lanes beyond the count are zero in a result. */
#ifndef XEMU_IR_H
#define XEMU_IR_H

#include <xemu/cpu.h>
#include <xemu/exit.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ir_type { IR_NONE, IR_INT, IR_VEC };

/* Control operations; MARK starts the guest instruction at imm. A block ends with BRANCH, JUMP or STOP;
 * BRANCH_IF goes on with the next operation when its condition is 0, CALL and CALL_TO when the guest's code is back at
 * the next instruction: nothing but constants lives across them. */
enum ir_op {
#define ROW(kind, name) IR_##name,
#include <xemu/ir_rows.h>
#undef ROW
    IR_const,     /* imm; esz: enum const_kind */
    IR_mark,      /* imm: pc */
    IR_branch,    /* imm: target */
    IR_branch_if, /* arg 0: truth value; imm: target */
    IR_call,      /* imm: target */
    IR_call_to,   /* arg 0: target */
    IR_jump,      /* arg 0: target; imm: enum branch_kind */
    IR_stop,      /* imm: enum exit_reason, immediate << 8; pc is the marked instruction, or the next for EXIT_CODE */
    IR_OP_COUNT
};
_Static_assert(IR_OP_COUNT <= 256, "ir_insn.op is a byte");

/* An address moves with the code: at another pc the constant is another one. */
enum const_kind { CONST_NUMBER, CONST_ADDRESS };

/* The immediate of put_nzcv: where its value matters. It may be put at once in any case. */
enum put_when {
    PUT_NOW,
    PUT_IF_TAKEN = 1,     /* behind the next branch_if, whose condition is of the same flags unless they are a constant: on
                           * the side that leaves */
    PUT_IF_NOT_TAKEN = 2, /* on the other side; or on both */
    PUT_AT_FAULTS = 4,    /* where an operation faults, up to the next put_nzcv or branch; also besides the others */
};

/* The value is PSTATE.BTYPE behind an indirect branch. */
enum branch_kind {
    BRANCH_RETURN = 0,
    BRANCH_PLAIN = 1,
    BRANCH_CALL = 2,
    BRANCH_GUARDED = 3, /* the same as BRANCH_PLAIN where the branch isn't in a guarded page */
    BRANCH_KINDS
};

enum ir_flags {
    IR_PURE = 1,    /* may be folded, merged, moved and dropped */
    IR_WIDTH = 2,   /* .w matters */
    IR_SHAPE = 4,   /* .esz and .lanes matter */
    IR_IMM = 8,     /* .imm matters */
    IR_END = 16,    /* ends a block */
    IR_FPCR = 32,   /* depends on FPCR */
    IR_ACCESS = 64, /* reads or writes a guest register or the flags: an effect on *cpu, but none that leaves the block */
    IR_LEAVES = 128, /* may leave the block, by a fault or for good, or has an effect on more than registers and flags */
    IR_FLAGS = 256, /* its result is flags, which compiled code keeps in the host's format */
    IR_DROPS = 512, /* no code is needed for it where nobody uses its result */
};

enum { IR_MAX_ARGS = 3 };

struct ir_op_info {
    const char *name;
    uint8_t result;   /* enum ir_type */
    uint8_t args;     /* count */
    uint8_t arg[IR_MAX_ARGS]; /* enum ir_type */
    uint16_t flags;   /* enum ir_flags */
};

extern const struct ir_op_info ir_ops[IR_OP_COUNT];

static inline bool ir_is_call(enum ir_op op) { return op == IR_call || op == IR_call_to; }

struct ir_insn {
    uint8_t op;      /* enum ir_op */
    uint8_t w;       /* 32 or 64 where IR_WIDTH, else 0 */
    uint8_t esz;     /* log2 of a lane's bytes where IR_SHAPE */
    uint8_t lanes;
    uint16_t arg[IR_MAX_ARGS]; /* indices of earlier operations of the same block; 0 where it has fewer */
    int64_t imm;
};

/* The sign of a NaN is kept where FPCR.AH says so: compiled code leaves this case to the interpreter. */
static inline bool ir_is_sign(enum ir_op op) { return op == IR_fneg || op == IR_fabs; }

static inline bool ir_may_leave(const struct ir_insn *insn) { return ir_ops[insn->op].flags & IR_LEAVES; }
static inline bool ir_may_be_dropped(const struct ir_insn *insn) { return ir_ops[insn->op].flags & IR_DROPS; }

/* Leaves by a fault or a trap, at most, or where it looks at FPCR: what finds the flags in registers of the guest. */
static inline bool ir_faults_only(const struct ir_insn *insn)
{
    return insn->op == IR_load || insn->op == IR_store || insn->op == IR_load_vec || insn->op == IR_store_vec ||
           ir_is_sign((enum ir_op)insn->op) || ir_ops[insn->op].flags & IR_FPCR;
}

#define IR_MAX_INSNS 4096

struct ir_block {
    uint64_t pc;
    uint64_t read_start, read_end; /* the guest's code that it depends on */
    bool critical; /* of a critical section (critical.h), or its descriptor's address is made here */
    unsigned count;
    struct ir_insn insns[IR_MAX_INSNS];
};

/* Prints one operation a line, e.g. `%4 = add.32 %2, %3`, `%7 = fadd.d2 %5, %6`, `store %1, %4 #3`. */
void ir_print(FILE *out, const struct ir_block *block);

/* Reads what ir_print writes; `;` starts a comment. Returns 0, or the number of the first line in error with a
 * message in error[size]. */
int ir_parse(struct ir_block *block, const char *text, char *error, size_t size);

/* Checks operand types and order, widths, shapes and the end of the block. Returns null, or what is wrong
 * (static text) with the operation's index in *where. */
const char *ir_verify(const struct ir_block *block, unsigned *where);

/* A value at run time: integers in .i, vectors in .v. */
union ir_data {
    uint64_t i;
    union vec v;
};

/* Each row of ir_ops.def as a function of up to three operands: *r = op(*a, *b, *c). Integer operands need to be
 * aligned to 8 bytes only. */
typedef void ir_function(struct cpu *cpu, const struct ir_insn *insn, const union ir_data *a, const union ir_data *b,
                         const union ir_data *c, union ir_data *r);
extern ir_function *const ir_functions[IR_const];

/* The reference evaluator: runs a block on cpu, as engine_run() does. */
enum exit_reason ir_eval(struct cpu *cpu, const struct ir_block *block);

/* Lifts up to max_insns instructions of one page from guest memory at pc, ending at the first branch that is neither
 * conditional and forward nor a call; or behind one of those where goes_on() does not hold of the pc there, if it is
 * given. The fetch may fault (fault.h). */
typedef bool lift_goes_on(uint64_t pc);
void lift_block(struct ir_block *block, uint64_t pc, unsigned max_insns, lift_goes_on *goes_on);

#endif
