/* The compiler as an engine: translates guest blocks to host code when they run first, and links them. The code is in
 * one cache that all threads of the process share. */
#ifndef XEMU_JIT_H
#define XEMU_JIT_H

#include <xemu/cpu.h>
#include <xemu/direct.h>
#include <xemu/exit.h>
#include <xemu/ir.h>

/* As engine_run(), with the recovery point armed and MXCSR the guest's. */
enum exit_reason jit_run(struct cpu *cpu);

/* Frees what a thread that ends has of its own. */
void jit_free(struct cpu *cpu);

/* For the handler of signo: when *ucontext was interrupted in an access to guest memory by compiled code, makes it
 * go on at the exit, with cpu->pc at the guest's instruction, and returns true. cpu->fault is filled already.
 * repeat: what the host refuses the guest may do, the use of a tagged pointer or an invalid floating-point operation:
 * the instruction is done by its functions. */
bool jit_recover(struct cpu *cpu, int signo, void *ucontext, bool repeat);

/* For a handler that has interrupted the thread anywhere: the guest's pc, of the instruction's block at least, x29 and
 * x30. A register that an operation has borrowed is taken for the guest's. */
struct jit_sample {
    uint64_t pc, fp, lr;
};
struct jit_sample jit_sample(const struct cpu *cpu, const void *ucontext);

/* After jit_run() was left by the recovery point. */
void jit_leave(struct cpu *cpu);

/* What --stats asks for, when the process ends. */
void jit_report(void);

/* Keeps what was compiled on disk, for the programs that will be run next. When the process ends, or executes another
 * program. */
void jit_save(void);

/* The code in [start, end) has changed, or may no longer be executed: its translations are never entered again. Safe
 * while other threads run them. Costs next to nothing where there are none. */
void jit_code_changed(uint64_t start, uint64_t end);

/* The guest looks at FPSR, or clears it: from now on compiled code raises Underflow as exactly as ARM does. */
void jit_watch_fpsr(void);

/* Before a child that borrows this process's memory (vfork). */
void jit_vfork_prepare(void);

/* Around fork, in the thread that forks; the child passes its cpu, the parent null. */
void jit_fork_prepare(void);
void jit_fork_done(struct cpu *child);

/* --- between jit/ and backend-x86_64/ -----------------------------------------------------------------
 *
 * Code is written through addresses of the write view, all of code_buffer are; it runs at addresses of the execute
 * view, a constant distance away, or none. So what is position independent needs no thought; an address of code that
 * code itself shall use has to be relative to the instruction pointer.
 *
 * RSP of compiled code is a stack of return points: a call of the guest's is a host call, a return is a host return
 * with the guest's target in RAX, and the return point compares it with the address that it stands for. Where it fits,
 * the block goes on, so the return points of a block whose code has changed are closed. The stack is the thread's own
 * and small. Where it overflows the fault handler starts it anew; where it is empty, or a return
 * point doesn't fit, the target is looked up. Nothing of it is the guest's, so all of it may be lost at any time. */

/* A reason that jit/ handles itself: the instruction at cpu->pc has what compiled code lacks, an address that the host
 * cannot use as it is or an invalid floating-point operation; it is to be done by its functions. */
enum { JIT_REPEAT = 100 };

/* The level of x86-64 that the host CPU has: 2, 3 or 4. */
unsigned backend_best_level(void);
/* The host's register, by its number, where the guest's general register is at a block's boundary; -1: it is in *cpu. */
int backend_host_register(unsigned guest);
/* The guest's registers, by number, that bit n of fault_site.lent stands for. */
unsigned backend_lent(unsigned n);
/* Before all else: finds out what the host CPU has. level: 2, 3 or 4, the most to be used; 0: all. */
void backend_init(unsigned level);
/* Whether the numbers of the instruction at pc are left to functions: its operations were invalid so often that traps
 * cost more. */
bool jit_traps_often(uint64_t pc);
bool jit_traps_within(uint64_t start, uint64_t end); /* one of them in [start, end) */

/* Whether the guest looks at FPSR: then results that the host and ARM take for tiny at different points, before or after
 * rounding, are computed by functions, so that Underflow is right, too. Set once, before code is compiled anew. */
extern _Atomic bool backend_exact_underflow;
/* Tells hosts apart whose code differs; after backend_init(). */
uint64_t backend_host_key(void);
/* What cpu->constants has to hold. */
const union vec *backend_constants(void);

/* A jump, conditional jump or call that leads to the block at `target`, or to its stub. Or a return point: the guest's
 * `target` that returns there are compared with, in four bytes where the number allows, else in eight. */
struct code_link {
    uint8_t *displacement; /* four bytes, or the number; both within eight aligned bytes */
    uint64_t target;
    int32_t stub;          /* from the displacement: leaves compiled code with the link's number; 0: this is a return point */
    uint32_t to;           /* the block's number; 0: to the stub. The rest is for jit/. */
    uint32_t next, before; /* numbers of the links that lead to the same block, or 0 */
};

struct fault_site {
    uint16_t offset;   /* of the host's instruction, from the block's code */
    uint16_t insn : 6; /* number of the guest's instruction in the block */
    uint16_t lent : 8; /* backend_lent(): the guest's registers that are in *cpu and not in the host's */
};

/* What has to change in a block's code when it is used elsewhere, or in another process. */
struct code_reloc {
    uint32_t offset : 30; /* from the block's start */
    uint32_t kind : 2;    /* enum reloc_kind */
};
enum reloc_kind {
    RELOC_GUEST, /* eight bytes: an address of the guest's that moves with the block's pc */
    RELOC_STUB,  /* four bytes: a displacement to one of the stubs below */
    RELOC_LINK,  /* four bytes: the number of a link of the block's */
};

/* What one block's code is made of, and how often each guest instruction of it runs: for --explain and counts. */
enum { PROFILE_INSNS = 64 }; /* as many as a block has at most; fault_site.insn has room for no more */
struct code_profile {
    bool uncounted; /* the code is what it is without a profile */
    unsigned count;
    struct code_profile_insn {
        uint32_t start, end; /* offsets of its code from the block's, without the code that counts */
        bool counted;        /* `runs` is its own; else it runs as often as the instruction before */
        uint64_t runs;
    } insns[PROFILE_INSNS];
};

/* Where the output goes, and where to note that the instruction at an offset may fault, and the links. */
struct code_buffer {
    uint8_t *start, *at, *end;
    struct fault_site *sites; /* of all blocks one after the other */
    unsigned site_count, site_capacity;
    struct code_link *links;
    unsigned link_count, link_capacity; /* link 0 is none */
    struct code_reloc *relocs;          /* of the block in work */
    unsigned reloc_count, reloc_capacity;
    bool portable;  /* with the relocations the block's code can be used for the same guest code anywhere... */
    bool fixed;     /* ...but at the same pc only */
    /* What the code counts as it runs, or null: [0] guest instructions, [1 + op] calls of the operation's function.
     * Threads count without locks, so that a few may be lost. */
    uint64_t *counts;
    struct code_profile *profile; /* of the block in work, to be filled; or null. The code counts into it, if it says so */
    struct direct_call direct; /* for the stubs */
    /* Made by backend_stubs(). */
    const uint8_t *exit;         /* leaves with struct jit_exit in RAX and RCX */
    const uint8_t *exit_link;    /* the same for EXIT_BRANCH */
    const uint8_t *call;         /* calls the C function in RAX, see call.c */
    const uint8_t *direct_call;  /* makes the system call at cpu->pc; goes on at RCX only where the block may */
    struct call_place call_place; /* in it */
    const uint8_t *return_miss;  /* looks up the block at RAX */
    const uint8_t *return_empty; /* the last return point of an empty stack */
    const uint8_t *not_found[BRANCH_KINDS]; /* leaves to make the block at RAX, where a branch of that kind leads */
};

/* What compiled code gives back: with a link, cpu->pc is the link's target and is still to be set. */
struct jit_exit {
    uint64_t reason; /* enum exit_reason */
    uint64_t link;   /* number, or 0 */
};

/* Makes the code that all blocks share; returns the entry: struct jit_exit entry(struct cpu *, const void *code), to be
 * called in the execute view. */
typedef struct jit_exit jit_entry(struct cpu *cpu, const void *code);
const uint8_t *backend_stubs(struct code_buffer *buffer);

/* Compiles a block; returns its first instruction, aligned to CODE_ALIGNMENT, or null when it doesn't fit: then *buffer
 * is as good as before, but for the relocations. For one thread at a time. A cache line: the same code with its branches spread over other lines
 * ran up to a third slower. */
enum { CODE_ALIGNMENT = 64 };
const uint8_t *backend_compile(struct code_buffer *buffer, const struct ir_block *block);

/* Points a displacement at code, or at its stub, while others run it. */
void backend_link(const struct code_link *link, const uint8_t *code);
void backend_unlink(const struct code_link *link);

/* From now on no return fits the return point: its target is looked up. */
void backend_close_return(const struct code_link *point);

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

/* Entries of cpu->jit_table, a power of two of them: more where they are used. A block has one for each kind of branch that came to it, and none
 * for a kind that must not (landing.h): so that which entry has an address tells the kind. */
enum { JIT_TABLE_LEAST = 1 << 12, JIT_TABLE_MOST = 1 << 18, JIT_TABLE_KIND = JIT_TABLE_LEAST / BRANCH_KINDS };
static inline unsigned jit_table_index(uint64_t pc, enum branch_kind kind, unsigned entries)
{
    return ((unsigned)(pc >> 2) + kind * JIT_TABLE_KIND) & (entries - 1);
}

struct jit_table_entry {
    uint64_t pc;
    const void *code; /* in the execute view */
};

#endif
