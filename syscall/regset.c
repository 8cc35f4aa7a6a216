/* ARM64 register sets, between struct cpu and what debuggers and core files want to see. */
#include "regset.h"

#include <xemu/features.h>

#include <string.h>

size_t regset_get(uint64_t type, const struct cpu *cpu, const struct traced *traced, union regset *set)
{
    switch (type) {
    case NT_PRSTATUS:
        memcpy(set->general.regs, cpu->x, sizeof set->general.regs);
        set->general.sp = cpu->x[31];
        set->general.pc = cpu->pc;
        set->general.pstate = cpu->nzcv | cpu->pstate;
        return sizeof set->general;
    case NT_FPREGSET:
        memcpy(set->fp.v, cpu->v, sizeof set->fp.v);
        set->fp.fpsr = traced->fpsr;
        set->fp.fpcr = traced->fpcr;
        set->fp.reserved[0] = set->fp.reserved[1] = 0;
        return sizeof set->fp;
    case NT_ARM_TLS:
        set->tls = cpu->tpidr_el0;
        return sizeof set->tls;
    case NT_ARM_SYSTEM_CALL:
        set->call = traced->call ? (uint32_t)cpu->x[8] : (uint32_t)-1;
        return sizeof set->call;
    case NT_ARM_HW_BREAK:
    case NT_ARM_HW_WATCH:
        set->debug = (struct arm64_hw_debug){.info = 6 << 8}; /* ARMv8, no registers */
        return sizeof set->debug;
    case NT_ARM_PAC_MASK: /* bits 54 to 48, as frontend-arm64/pauth.c uses them */
        set->pac = (struct arm64_pac_mask){0x7full << 48, 0x7full << 48};
        return feature_on[FEAT_PAuth] ? sizeof set->pac : 0;
    default:
        return 0;
    }
}

void regset_put_pstate(struct cpu *cpu, uint64_t pstate)
{
    uint32_t has = (feature_on[FEAT_BTI] ? PSTATE_BTYPE : 0) | (feature_on[FEAT_DIT] ? PSTATE_DIT : 0) |
                   (feature_on[FEAT_SSBS] ? PSTATE_SSBS : 0);
    cpu->nzcv = (uint32_t)pstate & NZCV_MASK;
    cpu->pstate = (uint32_t)pstate & has;
}

void regset_put(uint64_t type, struct cpu *cpu, struct traced *traced, const union regset *set)
{
    switch (type) {
    case NT_PRSTATUS:
        memcpy(cpu->x, set->general.regs, sizeof set->general.regs);
        cpu->x[31] = set->general.sp;
        cpu->pc = set->general.pc;
        regset_put_pstate(cpu, (uint32_t)set->general.pstate);
        break;
    case NT_FPREGSET:
        memcpy(cpu->v, set->fp.v, sizeof set->fp.v);
        traced->fpsr = set->fp.fpsr;
        traced->fpcr = set->fp.fpcr;
        traced->fp_changed = 1;
        break;
    case NT_ARM_TLS:
        cpu->tpidr_el0 = set->tls;
        break;
    case NT_ARM_SYSTEM_CALL:
        cpu->x[8] = set->call;
        break;
    }
}
