/* The guest CPU's state: what an instruction reads and writes, and what an engine needs beside it. */
#ifndef XEMU_CPU_H
#define XEMU_CPU_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

/* A 128-bit SIMD&FP register; lane 0 is the least significant (both hosts and guests are little-endian). */
union vec {
    uint8_t b[16];
    uint16_t h[8];
    uint32_t s[4];
    uint64_t d[2];
    int8_t sb[16];
    int16_t sh[8];
    int32_t ss[4];
    int64_t sd[2];
    unsigned __int128 q;
} __attribute__((aligned(16)));

/* NZCV as in the PSTATE and SPSR layout: bits 31..28. */
enum { NZCV_N = 1u << 31, NZCV_Z = 1u << 30, NZCV_C = 1u << 29, NZCV_V = 1u << 28, NZCV_MASK = 0xfu << 28 };

/* Bits of struct cpu's pstate. */
enum {
    PSTATE_BTYPE_SHIFT = 10,
    PSTATE_BTYPE = 3u << PSTATE_BTYPE_SHIFT,
    PSTATE_SSBS = 1u << 12,
    PSTATE_DIT = 1u << 24,
};

/* FPSR bits (Arm ARM C5.2.10). */
enum {
    FPSR_IOC = 1u << 0,
    FPSR_DZC = 1u << 1,
    FPSR_OFC = 1u << 2,
    FPSR_UFC = 1u << 3,
    FPSR_IXC = 1u << 4,
    FPSR_IDC = 1u << 7,
    FPSR_QC = 1u << 27,
    FPSR_MASK = FPSR_IOC | FPSR_DZC | FPSR_OFC | FPSR_UFC | FPSR_IXC | FPSR_IDC | FPSR_QC
};

/* FPCR bits (Arm ARM C5.2.9); RMode: 0 nearest even, 1 plus infinity, 2 minus infinity, 3 zero. */
enum {
    FPCR_FIZ = 1u << 0,
    FPCR_AH = 1u << 1,
    FPCR_NEP = 1u << 2,
    FPCR_EBF = 1u << 13,
    FPCR_FZ16 = 1u << 19,
    FPCR_RMODE_SHIFT = 22,
    FPCR_RMODE = 3u << FPCR_RMODE_SHIFT,
    FPCR_FZ = 1u << 24,
    FPCR_DN = 1u << 25,
    FPCR_AHP = 1u << 26
};

/* What a fault left behind for the run loop; filled by fault_recover(), all values as the host kernel gave
 * them (signal numbers and si_codes are the same on both architectures). */
struct fault {
    int signo;         /* SIGSEGV, SIGBUS; 0: a Memory Copy and Memory Set exception, for no signal */
    int code;          /* si_code */
    uint64_t addr;     /* si_addr */
    bool write;        /* the access was a write (for ESR) */
    bool exec;         /* the fault was an instruction fetch */
};

struct task;  /* the guest's kernel view of this thread: include/xemu/sys.h */
struct jit;    /* what the compiler keeps for this thread */
struct interp; /* the interpreter's decoded-instruction cache of this thread */

/* Bits of cpu->stop. */
enum {
    STOP_SIGNAL = 1,     /* something for sys_deliver_signals() */
    STOP_SAFE_POINT = 2, /* leave compiled code for a moment; set by other threads */
};

enum { CPU_SPILLS = 96 };

/* Vectors that compiled code reads: masks, and shuffles of bytes. */
enum jit_constant {
    JIT_LOW_1,        /* the lowest byte, the lowest two */
    JIT_LOW_2,
    JIT_SIGN_B,       /* the top bit of each byte, each halfword */
    JIT_SIGN_H,
    JIT_SIGN_S,       /* the sign bit of each single, each double */
    JIT_SIGN_D,
    JIT_SMALLEST_S,   /* the smallest normal number of each, shifted left by one: without its sign */
    JIT_SMALLEST_D,
    JIT_EVEN_BYTES,
    JIT_NIBBLES,      /* the low four bits of each byte */
    JIT_NIBBLE_BITS,  /* how many of 0 to 15 are set */
    JIT_LEADING_HIGH, /* leading zeros of a byte with 0 to 15 in its upper half, in its lower half; of 0: 8 */
    JIT_LEADING_LOW,
    JIT_MIRROR_BITS,  /* GF2P8AFFINEQB's matrix that reverses a byte */
    JIT_SM4_BEFORE,   /* the matrices before the inverse in AES's field, and behind it, that make SM4's S-box of it */
    JIT_SM4_BEHIND,
    JIT_OUT_OF_TABLE, /* 0x70 in each byte */
    JIT_PACK_B,       /* the low halves of lanes of 2, 4, 8 bytes, packed */
    JIT_PACK_H,
    JIT_PACK_S,
    JIT_EVEN_B,       /* even or odd lanes, packed into the low half */
    JIT_EVEN_H,
    JIT_ODD_B,
    JIT_ODD_H,
    JIT_REV16,        /* bytes in reverse within 2, 4, 8; halfwords within 4, 8 */
    JIT_REV32,
    JIT_REV64,
    JIT_REV32_H,
    JIT_REV64_H,
    JIT_STICKY_BITS,  /* of a double: those that a single lacks */
    JIT_STRIDE_B,     /* bytes, bytes of the low half and halfwords whose number is a multiple of 3, modulo their count */
    JIT_STRIDE_B8,
    JIT_STRIDE_H,
    JIT_STRIDE_BACK_B, /* bytes, multiples of 11 */
    JIT_TWO_THIRDS_B, /* lanes of 1, 2, 4, 8 bytes (three each) whose number isn't 0, 1, 2 modulo 3 */
    JIT_TWO_THIRDS_H = JIT_TWO_THIRDS_B + 3,
    JIT_TWO_THIRDS_S = JIT_TWO_THIRDS_H + 3,
    JIT_TWO_THIRDS_D = JIT_TWO_THIRDS_S + 3,
    JIT_TWO_THIRDS_LAST = JIT_TWO_THIRDS_D + 2,
    JIT_SIGN_ONE_S,   /* the sign bit of the lowest single, the lowest double */
    JIT_SIGN_ONE_D,
    JIT_CONSTANTS
};

/* A function that leaves the host's vector registers alone, where the guest's may be. */
#define GENERAL_REGISTERS __attribute__((target("general-regs-only")))

struct cpu {
    uint64_t x[32]; /* x[31] is SP: only the *_sp accessors touch it */
    uint64_t pc;    /* precise whenever an engine has returned */
    uint32_t nzcv;  /* bits 31..28, other bits zero */
    volatile uint32_t stop; /* nonzero (STOP_ bits): engines return EXIT_SIGNAL at the next instruction boundary */
    uint64_t tpidr_el0;
    uint32_t fpcr;
    uint32_t fpsr;         /* QC, and sticky bits that are not in mxcsr: read with fp_get_fpsr() */
    uint32_t mxcsr;        /* guest rounding mode and sticky flags; in the host's MXCSR while an engine runs */
    uint32_t fp_host;      /* FPCR asks for nothing that SSE does otherwise (FZ, DN, AH ...) */
    uint64_t excl_addr;    /* exclusive monitor: address, or EXCL_NONE */
    uint64_t excl_val[2];
    uint32_t excl_size;    /* bytes: 1, 2, 4, 8, 16 */
    uint32_t exit_imm;     /* immediate of SVC, BRK, HLT, UDF for the run loop */
    uint32_t exit_word;    /* the instruction word for EXIT_UNDEFINED */
    union vec v[32];
    struct fault fault;
    jmp_buf *recover;      /* armed while guest memory may fault: see fault.h */
    struct task *task;     /* owned by syscall/ */
    struct interp *interp; /* owned by frontend-arm64/interp.c */
    struct jit *jit;       /* owned by jit/ */
    const void *jit_table; /* look-up table of compiled code, for indirect branches */
    uint32_t jit_table_mask; /* of the offset of an entry */
    uint32_t pstate;       /* DIT, SSBS and BTYPE at their places in PSTATE; see landing.h */
    uint64_t return_sp;    /* stack of return points: compiled code's stack pointer, while it doesn't run */
    uint64_t host_sp;      /* the C stack's, while compiled code runs */
    uint64_t call_return;  /* where a C function returns to in compiled code */
    uint32_t flags;        /* NZCV while compiled code runs: N 15, Z 14, C 8, V 0, as LAHF and SETO give them */

    uint8_t part;          /* enum report_part: what the thread does */
    bool sample_asked;     /* --flame waits for a sample, which stands for so much CPU time; atomic */
    uint64_t sample_ns;

    uint64_t saved[16];    /* compiled code's registers around a function */
    union vec saved_v[8];
    union vec args[4];     /* operands of a function, and its result */
    union vec spill[CPU_SPILLS]; /* values of compiled code that have no register */
    union vec constants[JIT_CONSTANTS]; /* for compiled code: enum jit_constant */

    uint64_t rseq;         /* the thread's struct rseq in guest memory, or 0 */
};

#define EXCL_NONE UINT64_MAX

/* The cpu of the calling host thread; null outside guest threads. Readable in signal handlers. */
extern __thread struct cpu *this_cpu __attribute__((tls_model("initial-exec")));

#endif
