/* The CPU features that AT_HWCAP and AT_HWCAP2 show to the guest. */
#include <xemu/loader.h>

/* Bits of AT_HWCAP as Linux/arm64 numbers them (Documentation/arch/arm64/elf_hwcaps.rst). */
enum {
    HWCAP_FP = 1 << 0,
    HWCAP_ASIMD = 1 << 1,
    HWCAP_EVTSTRM = 1 << 2,
    HWCAP_AES = 1 << 3,
    HWCAP_PMULL = 1 << 4,
    HWCAP_SHA1 = 1 << 5,
    HWCAP_SHA2 = 1 << 6,
    HWCAP_CRC32 = 1 << 7,
    HWCAP_ATOMICS = 1 << 8,
    HWCAP_CPUID = 1 << 11,
};

uint64_t cpu_hwcap(void)
{
    return HWCAP_FP | HWCAP_ASIMD | HWCAP_EVTSTRM | HWCAP_AES | HWCAP_PMULL | HWCAP_SHA1 | HWCAP_SHA2 |
           HWCAP_CRC32 | HWCAP_ATOMICS | HWCAP_CPUID;
}

uint64_t cpu_hwcap2(void) { return 0; }
