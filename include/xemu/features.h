/* The CPU that the guest sees: which features it has, and what follows from that. */
#ifndef XEMU_FEATURES_H
#define XEMU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/* FEAT_BASE is always there; EL1 never: what only an operating system may execute. */
enum feature {
    FEAT_BASE,
    EL1,
#define FEATURE(name, ...) name,
#include <xemu/features.def>
#undef FEATURE
    FEATURE_COUNT
};

/* Whether the guest's CPU has the feature. Constant once guest code runs. */
extern bool feature_on[FEATURE_COUNT];

/* Chooses the CPU: NAME[+feature...][-feature...]; null is the default. Before guest code is decoded. Returns null, or
 * what is wrong. */
const char *cpu_select(const char *model);

/* Prints the models and the features, for --cpu help. */
void cpu_help(void);

/* AT_HWCAP and AT_HWCAP2. */
uint64_t cpu_hwcap(void);
uint64_t cpu_hwcap2(void);

/* The name that /proc/cpuinfo has for the nth feature that the CPU shows, or null behind the last. */
const char *cpu_flag(unsigned n);

/* MIDR_EL1. */
uint32_t cpu_midr(void);

/* The ID register with this CRm and op2 (op0 3, op1 0, CRn 0), as Linux shows it to EL0. */
uint64_t cpu_id_register(unsigned crm, unsigned op2);

#endif
