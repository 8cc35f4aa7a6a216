/* Which instructions in a guarded page may be the target of which branches (Arm ARM D8.4.5, BTypeCompatible_*). */
#include <xemu/landing.h>

#include <xemu/insn.h>
#include <xemu/mem.h>

enum {
    ALWAYS = 1 << BRANCH_RETURN, /* or not by a branch */
    TO_CALL = ALWAYS | 1 << BRANCH_PLAIN | 1 << BRANCH_CALL,
    TO_JUMP = ALWAYS | 1 << BRANCH_PLAIN | 1 << BRANCH_GUARDED,
    TO_ALL = TO_CALL | TO_JUMP,
};

/* By the operand of BTI: none, c, j, jc. */
static const uint8_t bti_takes[4] = {ALWAYS, TO_CALL, TO_JUMP, TO_ALL};

unsigned landing_at(uint64_t pc)
{
    if (!guest_range_guarded(pc))
        return TO_ALL;
    uint32_t word = (uint32_t)mem_load(pc, 2);
    switch (a64_row_of(word)) {
    case A64_BTI:
        return bti_takes[word >> 6 & 3];
    case A64_PACIASP: /* SCTLR_EL1.BT0 is 1 under Linux */
    case A64_PACIBSP:
        return TO_CALL;
    case A64_BRK:
    case A64_HLT:
        return TO_ALL;
    default:
        return ALWAYS;
    }
}
