/* What Linux does at a Memory Copy and Memory Set exception (FEAT_MOPS). xemu's CPU raises it where a main part or an
 * epilogue finds the flag C set: the registers are option B's, of a CPU that the program was on before. */
#include <xemu/cpu.h>
#include <xemu/fault.h>
#include <xemu/insn.h>

/* The registers become what they were for the prologue (Arm ARM, rules CNTMJ and MWFQH), which comes next: the parts
 * follow each other in memory. Option B counts bytes down to zero; N says that a copy goes downwards from the end. */
void memory_copy_again(struct cpu *cpu)
{
    uint32_t word;
    struct a64_insn in;

    if (guest_copy_in(&word, cpu->pc, sizeof word))
        return; /* unmapped meanwhile: it faults when it comes again */
    a64_decode(word, cpu->pc, &in);
    bool copies = in.op == A64_CPY || in.op == A64_CPYF;
    if (!copies && in.op != A64_SET)
        return; /* or rewritten */
    if (copies && cpu->nzcv & NZCV_N) {
        cpu->x[in.rd] -= cpu->x[in.rn];
        cpu->x[in.rs] -= cpu->x[in.rn];
    }
    unsigned stage = (unsigned)(in.imm >> 4);
    cpu->pc -= 4 * stage;
}
