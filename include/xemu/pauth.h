/* Pointer authentication: codes of addresses under the process's keys. */
#ifndef XEMU_PAUTH_H
#define XEMU_PAUTH_H

#include <xemu/cpu.h>

/* In the order of the instructions' encodings and of prctl(PR_PAC_RESET_KEYS). */
enum pauth_key { PAUTH_IA, PAUTH_IB, PAUTH_DA, PAUTH_DB, PAUTH_GA, PAUTH_KEYS };

/* The architected algorithms; both keys and the result are [ComputePACQARMA]'s. */
enum pauth_algorithm { PAUTH_QARMA5, PAUTH_QARMA3 };
uint64_t pauth_qarma(enum pauth_algorithm algorithm, uint64_t data, uint64_t modifier, uint64_t key0, uint64_t key1);

/* New random keys, those whose bits (1 << enum pauth_key) are set: at execve and by prctl. */
void pauth_new_keys(unsigned which);

uint64_t pauth_sign(uint64_t pointer, uint64_t modifier, enum pauth_key key);
/* May fault: through the recovery point. */
uint64_t pauth_authenticate(struct cpu *cpu, uint64_t pointer, uint64_t modifier, enum pauth_key key);
uint64_t pauth_generic(uint64_t value, uint64_t modifier);

#endif
