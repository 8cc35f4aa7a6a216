/* Classic BPF for seccomp: check and interpreter. */
#include "bpf.h"

#include <string.h>

/* ---- check ---- */

/* The instructions that a filter of system calls may have (kernel/seccomp.c): no packets, no modulo. */
static bool known(uint16_t code)
{
    static const uint16_t codes[] = {
        BPF_LD | BPF_W | BPF_ABS,
        BPF_LD | BPF_W | BPF_LEN,
        BPF_LDX | BPF_W | BPF_LEN,
        BPF_LD | BPF_IMM,
        BPF_LDX | BPF_IMM,
        BPF_LD | BPF_MEM,
        BPF_LDX | BPF_MEM,
        BPF_ST,
        BPF_STX,
        BPF_RET | BPF_K,
        BPF_RET | BPF_A,
        BPF_ALU | BPF_NEG,
        BPF_ALU | BPF_ADD | BPF_K,
        BPF_ALU | BPF_ADD | BPF_X,
        BPF_ALU | BPF_SUB | BPF_K,
        BPF_ALU | BPF_SUB | BPF_X,
        BPF_ALU | BPF_MUL | BPF_K,
        BPF_ALU | BPF_MUL | BPF_X,
        BPF_ALU | BPF_DIV | BPF_K,
        BPF_ALU | BPF_DIV | BPF_X,
        BPF_ALU | BPF_AND | BPF_K,
        BPF_ALU | BPF_AND | BPF_X,
        BPF_ALU | BPF_OR | BPF_K,
        BPF_ALU | BPF_OR | BPF_X,
        BPF_ALU | BPF_XOR | BPF_K,
        BPF_ALU | BPF_XOR | BPF_X,
        BPF_ALU | BPF_LSH | BPF_K,
        BPF_ALU | BPF_LSH | BPF_X,
        BPF_ALU | BPF_RSH | BPF_K,
        BPF_ALU | BPF_RSH | BPF_X,
        BPF_MISC | BPF_TAX,
        BPF_MISC | BPF_TXA,
        BPF_JMP | BPF_JA,
        BPF_JMP | BPF_JEQ | BPF_K,
        BPF_JMP | BPF_JEQ | BPF_X,
        BPF_JMP | BPF_JGE | BPF_K,
        BPF_JMP | BPF_JGE | BPF_X,
        BPF_JMP | BPF_JGT | BPF_K,
        BPF_JMP | BPF_JGT | BPF_X,
        BPF_JMP | BPF_JSET | BPF_K,
        BPF_JMP | BPF_JSET | BPF_X,
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == code)
            return true;
    }
    return false;
}

static bool operand_valid(const struct sock_filter *insn)
{
    switch (insn->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        return insn->k < sizeof(struct seccomp_data) && insn->k % 4 == 0;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return insn->k < BPF_MEMWORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
        return insn->k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
        return insn->k < 32;
    default:
        return true;
    }
}

/* The two places where it may go on; equal if there is one. False: outside of the program. */
static bool successors(const struct sock_filter *program, size_t length, size_t at, size_t next[2])
{
    const struct sock_filter *insn = &program[at];
    bool jump = BPF_CLASS(insn->code) == BPF_JMP, always = insn->code == (BPF_JMP | BPF_JA);
    next[0] = at + 1 + (always ? insn->k : jump ? insn->jt : 0);
    next[1] = at + 1 + (always ? insn->k : jump ? insn->jf : 0);
    return next[0] < length && next[1] < length;
}

/* One instruction: *written are the scratch words that are certainly written before it, and after it. */
static bool check_memory(const struct sock_filter *insn, uint16_t *written)
{
    if (insn->code == BPF_ST || insn->code == BPF_STX)
        *written |= (uint16_t)(1u << insn->k);
    bool reads = insn->code == (BPF_LD | BPF_MEM) || insn->code == (BPF_LDX | BPF_MEM);
    return !reads || (*written >> insn->k & 1);
}

bool bpf_valid(const struct sock_filter *program, size_t length)
{
    uint16_t written[BPF_MAXINSNS]; /* at each instruction, over all ways there: jumps only go forwards */
    if (length == 0 || length > BPF_MAXINSNS)
        return false;
    memset(written, 0xff, sizeof written);
    written[0] = 0;
    for (size_t i = 0; i < length; i++) {
        const struct sock_filter *insn = &program[i];
        size_t next[2];
        if (!known(insn->code) || !operand_valid(insn) || !check_memory(insn, &written[i]))
            return false;
        if (BPF_CLASS(insn->code) == BPF_RET)
            continue;
        if (!successors(program, length, i, next))
            return false;
        written[next[0]] &= written[i];
        written[next[1]] &= written[i];
    }
    return BPF_CLASS(program[length - 1].code) == BPF_RET;
}

/* ---- interpreter ---- */

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, (const char *)data + offset, sizeof word);
    return word;
}

/* False: division by zero. */
static bool compute(uint16_t operation, uint32_t *a, uint32_t b)
{
    switch (operation) {
    case BPF_ADD:
        *a += b;
        break;
    case BPF_SUB:
        *a -= b;
        break;
    case BPF_MUL:
        *a *= b;
        break;
    case BPF_DIV:
        if (b == 0)
            return false;
        *a /= b;
        break;
    case BPF_AND:
        *a &= b;
        break;
    case BPF_OR:
        *a |= b;
        break;
    case BPF_XOR:
        *a ^= b;
        break;
    case BPF_LSH:
        *a <<= b & 31;
        break;
    case BPF_RSH:
        *a >>= b & 31;
        break;
    case BPF_NEG:
        *a = -*a;
        break;
    }
    return true;
}

static bool jumps(uint16_t operation, uint32_t a, uint32_t b)
{
    switch (operation) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    default:
        return a & b; /* JSET */
    }
}

uint32_t bpf_run(const struct sock_filter *program, const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};
    for (const struct sock_filter *insn = program;; insn++) {
        uint32_t operand = BPF_SRC(insn->code) == BPF_X ? x : insn->k;
        switch (BPF_CLASS(insn->code)) {
        case BPF_LD:
        case BPF_LDX: {
            uint32_t value = insn->k; /* BPF_IMM */
            if (BPF_MODE(insn->code) == BPF_ABS)
                value = load(data, insn->k);
            else if (BPF_MODE(insn->code) == BPF_LEN)
                value = sizeof *data;
            else if (BPF_MODE(insn->code) == BPF_MEM)
                value = memory[insn->k];
            *(BPF_CLASS(insn->code) == BPF_LD ? &a : &x) = value;
            break;
        }
        case BPF_ST:
            memory[insn->k] = a;
            break;
        case BPF_STX:
            memory[insn->k] = x;
            break;
        case BPF_ALU:
            if (!compute(BPF_OP(insn->code), &a, operand))
                return 0;
            break;
        case BPF_JMP:
            if (BPF_OP(insn->code) == BPF_JA)
                insn += insn->k;
            else
                insn += jumps(BPF_OP(insn->code), a, operand) ? insn->jt : insn->jf;
            break;
        case BPF_RET:
            return insn->code == (BPF_RET | BPF_A) ? a : insn->k;
        case BPF_MISC:
            if (insn->code == (BPF_MISC | BPF_TAX))
                x = a;
            else
                a = x;
            break;
        }
    }
}
