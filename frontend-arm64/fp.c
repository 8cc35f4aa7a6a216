/* FPCR and FPSR, and how they map onto the host's MXCSR. */
#include <xemu/features.h>
#include <xemu/fp.h>
#include <xemu/host_cpu.h>

/* FPSR's DZC, OFC, UFC and IXC are MXCSR's ZE, OE, UE and PE shifted; IE is IOC; DE has no counterpart (IDC is
 * only raised with FPCR.FZ, which the exact path handles). */
static uint32_t fpsr_of_mxcsr(uint32_t mxcsr) { return (mxcsr & 1) | (mxcsr >> 1 & 0x1e); }

uint32_t fp_get_fpsr(const struct cpu *cpu) { return cpu->fpsr | fpsr_of_mxcsr(cpu->mxcsr); }

void fp_set_fpsr(struct cpu *cpu, uint32_t value)
{
    cpu->fpsr = value & FPSR_MASK;
    cpu->mxcsr &= ~FP_MXCSR_STICKY;
}

/* The bits that the features of the guest's CPU give FPCR. */
static uint32_t fpcr_bits(void)
{
    return FPCR_RMODE | FPCR_FZ | FPCR_DN | FPCR_AHP | (feature_on[FEAT_FP16] ? FPCR_FZ16 : 0) |
           (feature_on[FEAT_EBF16] ? FPCR_EBF : 0) |
           (feature_on[FEAT_AFP] ? FPCR_AH | FPCR_FIZ | FPCR_NEP : 0);
}

void fp_set_fpcr(struct cpu *cpu, uint32_t value)
{
    /* RMode to MXCSR.RC, bits 14..13: nearest, up, down, zero against nearest, down, up, zero. */
    static const uint32_t rc[4] = {0x0000, 0x4000, 0x2000, 0x6000};
    cpu->fpcr = value & fpcr_bits();
    cpu->fp_host = !(cpu->fpcr & (FPCR_FZ | FPCR_FZ16 | FPCR_DN | FPCR_AHP | FPCR_AH | FPCR_FIZ | FPCR_NEP));
    cpu->mxcsr = FP_MXCSR_DEFAULT | (cpu->mxcsr & FP_MXCSR_STICKY) | rc[(value & FPCR_RMODE) >> FPCR_RMODE_SHIFT];
}

#ifndef __FMA__
__attribute__((target("fma"))) static bool with_fma3(unsigned esz, uint64_t addend, uint64_t a, uint64_t b,
                                                     uint64_t *r)
{
    *r = esz == 3 ? fp_of_d(_mm_fmadd_sd(fp_as_d(a), fp_as_d(b), fp_as_d(addend)))
                  : fp_of_s(_mm_fmadd_ss(fp_as_s(a), fp_as_s(b), fp_as_s(addend)));
    return fp_stands(esz, *r);
}

bool fp_host_muladd(unsigned esz, uint64_t addend, uint64_t a, uint64_t b, uint64_t *r)
{
    return HOST_CPU_HAS(FMA) && with_fma3(esz, addend, a, b, r);
}
#endif
