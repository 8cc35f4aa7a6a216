/* System registers that EL0 may read or write, as Linux/arm64 shows them. */
#include <xemu/fp.h>
#include <xemu/mem.h>

#include <time.h>

enum {
    FPCR = SYSREG(3, 3, 4, 4, 0),
    FPSR = SYSREG(3, 3, 4, 4, 1),
    TPIDR_EL0 = SYSREG(3, 3, 13, 0, 2),
    TPIDRRO_EL0 = SYSREG(3, 3, 13, 0, 3),
    CTR_EL0 = SYSREG(3, 3, 0, 0, 1),
    DCZID_EL0 = SYSREG(3, 3, 0, 0, 7),
    CNTFRQ_EL0 = SYSREG(3, 3, 14, 0, 0),
    CNTVCT_EL0 = SYSREG(3, 3, 14, 0, 2),
    MIDR_EL1 = SYSREG(3, 0, 0, 0, 0),
    MPIDR_EL1 = SYSREG(3, 0, 0, 0, 5),
    ID_AA64PFR0_EL1 = SYSREG(3, 0, 0, 4, 0),
    ID_AA64ISAR0_EL1 = SYSREG(3, 0, 0, 6, 0),
    ID_AA64ISAR1_EL1 = SYSREG(3, 0, 0, 6, 1),
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

static uint64_t id_register(unsigned reg)
{
    switch (reg) {
    case MIDR_EL1:
        return CPU_MIDR;
    case MPIDR_EL1:
        return 1u << 31; /* RES1 */
    case ID_AA64PFR0_EL1:
        return 0x11; /* EL0 and EL1: AArch64 only; FP and AdvSIMD without half precision */
    case ID_AA64ISAR0_EL1:
        return 2ull << 4 | 1ull << 8 | 1ull << 12 | 1ull << 16 | 2ull << 20; /* AES+PMULL SHA1 SHA2 CRC32 LSE */
    case ID_AA64ISAR1_EL1:
        return 1ull << 20; /* LRCPC */
    default:
        return 0;
    }
}

uint64_t sysreg_read(struct cpu *cpu, unsigned reg)
{
    switch (reg) {
    case FPCR:
        return cpu->fpcr;
    case FPSR:
        cpu->mxcsr = _mm_getcsr();
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
        return virtual_counter();
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
        fp_set_fpsr(cpu, (uint32_t)value);
        break;
    case TPIDR_EL0:
        cpu->tpidr_el0 = value;
        break;
    }
    _mm_setcsr(cpu->mxcsr);
}
