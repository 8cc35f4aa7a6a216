/* System registers that EL0 may read or write, as Linux/arm64 shows them. */
#include <xemu/features.h>
#include <xemu/fp.h>
#include <xemu/jit.h>
#include <xemu/log.h>
#include <xemu/mem.h>

#include <sys/random.h>
#include <time.h>

enum {
    FPCR = SYSREG_FPCR,
    FPSR = SYSREG(3, 3, 4, 4, 1),
    TPIDR_EL0 = SYSREG(3, 3, 13, 0, 2),
    TPIDRRO_EL0 = SYSREG(3, 3, 13, 0, 3),
    CTR_EL0 = SYSREG(3, 3, 0, 0, 1),
    DCZID_EL0 = SYSREG(3, 3, 0, 0, 7),
    CNTFRQ_EL0 = SYSREG(3, 3, 14, 0, 0),
    CNTVCT_EL0 = SYSREG(3, 3, 14, 0, 2),
    CNTVCTSS_EL0 = SYSREG(3, 3, 14, 0, 6), /* self-synchronised */
    DIT = SYSREG(3, 3, 4, 2, 5),
    SSBS = SYSREG(3, 3, 4, 2, 6),
    RNDR = SYSREG(3, 3, 2, 4, 0),
    RNDRRS = SYSREG(3, 3, 2, 4, 1),
    MIDR_EL1 = SYSREG(3, 0, 0, 0, 0),
    MPIDR_EL1 = SYSREG(3, 0, 0, 0, 5),
};

/* The identification space that Linux emulates for EL0 (HWCAP_CPUID): op0 3, op1 0, CRn 0, CRm 0 or 2 to 7.
 * Registers without a visible feature read as zero. */
static bool in_id_space(unsigned reg)
{
    unsigned crm = reg >> 3 & 0xf;
    return reg >> 7 == SYSREG(3, 0, 0, 0, 0) >> 7 && crm <= 7 && crm != 1;
}

bool sysreg_known(unsigned reg, bool write)
{
    switch (reg) {
    case FPCR:
    case FPSR:
    case TPIDR_EL0:
        return true;
    case TPIDRRO_EL0:
    case CTR_EL0:
    case DCZID_EL0:
    case CNTFRQ_EL0:
    case CNTVCT_EL0:
        return !write;
    case DIT:
        return feature_on[FEAT_DIT];
    case SSBS:
        return feature_on[FEAT_SSBS];
    case RNDR:
    case RNDRRS:
        return !write && feature_on[FEAT_RNG];
    case CNTVCTSS_EL0:
        return !write && feature_on[FEAT_ECV];
    default:
        return !write && in_id_space(reg);
    }
}

#define NANOSECONDS 1000000000u

/* The virtual counter counts nanoseconds of CLOCK_MONOTONIC (1 GHz, as from Armv8.6 on). */
static uint64_t virtual_counter(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        panic("no random numbers");
    return number;
}

static void put_pstate(struct cpu *cpu, uint32_t which, uint64_t value)
{
    cpu->pstate = (cpu->pstate & ~which) | ((uint32_t)value & which);
}

static uint64_t id_register(unsigned reg)
{
    switch (reg) {
    case MIDR_EL1:
        return cpu_midr();
    case MPIDR_EL1:
        return 1u << 31; /* RES1 */
    default:
        return cpu_id_register(reg >> 3 & 15, reg & 7);
    }
}

uint64_t sysreg_read(struct cpu *cpu, unsigned reg)
{
    switch (reg) {
    case FPCR:
        return cpu->fpcr;
    case FPSR:
        cpu->mxcsr = _mm_getcsr();
        jit_watch_fpsr();
        return fp_get_fpsr(cpu);
    case TPIDR_EL0:
        return cpu->tpidr_el0;
    case CTR_EL0:
        /* 64-byte lines (log2 words 4), 64-byte write-back granule, PIPT; DIC = 0: code changes are announced by
         * IC IVAU; IDC = 1: no cleaning needed before it. */
        return 1u << 31 | 1u << 28 | 4u << 24 | 4u << 20 | 4u << 16 | 3u << 14 | 4u;
    case DCZID_EL0:
        return 4; /* log2 words of ZVA_BYTES */
    case CNTFRQ_EL0:
        return NANOSECONDS;
    case CNTVCT_EL0:
    case CNTVCTSS_EL0:
        return virtual_counter();
    case DIT:
        return cpu->pstate & PSTATE_DIT;
    case SSBS:
        return cpu->pstate & PSTATE_SSBS;
    case RNDR:
    case RNDRRS:
        return random_number();
    default:
        return id_register(reg);
    }
}

void sysreg_write(struct cpu *cpu, unsigned reg, uint64_t value)
{
    cpu->mxcsr = _mm_getcsr();
    switch (reg) {
    case FPCR:
        fp_set_fpcr(cpu, (uint32_t)value);
        break;
    case FPSR:
        jit_watch_fpsr();
        fp_set_fpsr(cpu, (uint32_t)value);
        break;
    case TPIDR_EL0:
        cpu->tpidr_el0 = value;
        break;
    case DIT:
        put_pstate(cpu, PSTATE_DIT, value);
        break;
    case SSBS:
        put_pstate(cpu, PSTATE_SSBS, value);
        break;
    }
    _mm_setcsr(cpu->mxcsr);
}
