/* Critical sections of restartable sequences (rseq(2), Documentation of Linux: include/uapi/linux/rseq.h).
 *
 * The guest's struct rseq is registered with the host's kernel, which so keeps its processor numbers. When the kernel
 * preempts, migrates or signals a thread whose rseq_cs isn't null, it finds xemu's instruction pointer outside of the
 * guest's section, and clears rseq_cs: that tells what has happened. So a store in a critical section is done only while
 * rseq_cs is still there, by a critical section of the host's that has nothing in it but the store (critical_store());
 * else the guest goes on where its section says. What only reads needs no look.
 *
 * Sections are found where code makes the address of a descriptor (ADRP and ADD), before it is run. */
#ifndef XEMU_CRITICAL_H
#define XEMU_CRITICAL_H

#include <xemu/cpu.h>
#include <xemu/insn.h>

#include <stdbool.h>
#include <stdint.h>

#ifndef AT_RSEQ_FEATURE_SIZE /* Linux 6.3 */
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN        28
#endif

/* In front of each place where a section is aborted to. Of ARM64: an instruction that traps (BRK #0x45e0). */
#define RSEQ_SIGNATURE 0xd428bc00

/* fault.code of a fault with signo 0: a store of a critical section was not done. */
enum { FAULT_CRITICAL = 1 };

/* Looks for what makes the address of a descriptor in the instructions of a block, which come in order. */
struct critical_scan {
    uint64_t page; /* of the last ADRP */
    unsigned rd;   /* its register; RD_NONE before */
};
#define CRITICAL_SCAN ((struct critical_scan){.rd = 32})
bool critical_scan(struct critical_scan *scan, const struct a64_insn *in); /* true: this is one */

/* The address of the descriptor of the section that the instruction at pc is in, or 0. */
uint64_t critical_section_at(uint64_t pc);

/* Around fork(): nobody is changing what is known of them. */
void critical_fork_prepare(void);
void critical_fork_done(void);

/* Stores 1 << (imm & 7) bytes; imm & CRITICAL_RELEASE: as mem_store_release(); imm >> CRITICAL_SHIFT: the descriptor of
 * the section that the instruction at cpu->pc is in. Leaves by the recovery point, with FAULT_CRITICAL, if the section is
 * to be aborted. */
enum { CRITICAL_RELEASE = 8, CRITICAL_SHIFT = 8 };
void critical_store(struct cpu *cpu, uint64_t addr, int64_t imm, uint64_t value);
void critical_store_vec(struct cpu *cpu, uint64_t addr, int64_t imm, union vec value);

/* If the thread is in a critical section, it goes on where that is aborted to: before a signal is delivered, and where
 * critical_store() did nothing. */
void critical_abort(struct cpu *cpu);

#endif
