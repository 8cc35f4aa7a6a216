/* The guest's kernel, as core/run.c and the loader see it. */
#ifndef XEMU_SYS_H
#define XEMU_SYS_H

#include <xemu/cpu.h>
#include <xemu/direct.h>

#include <stdbool.h>

struct guest_image;

/* Once per process, before the first guest instruction: takes over the host's signal handling for what the
 * guest will see, keeps the image's facts (for /proc/self/exe, auxv, maps, execve), attaches a task to cpu. */
void sys_init(struct cpu *cpu, const struct guest_image *image);

/* Runs the system call that the SVC at cpu->pc asks for (number in x8, arguments in x0..x5) and sets x0. On
 * return cpu->pc is the next instruction, or still the SVC when the call is to be restarted after a signal. */
void sys_call(struct cpu *cpu);

/* The same for compiled code, as far as it is about the guest's kernel: in its functions cpu->x and cpu->pc are complete,
 * the rest of *cpu isn't. And where the code for it is, before it runs. */
struct direct_call sys_direct(void);
void sys_direct_made(struct call_place place);

/* Builds the frames of pending, deliverable signals on the guest's stack and redirects cpu to the handlers, or
 * lets the default action happen (which may not return). Clears cpu->stop as far as it was about signals. */
void sys_deliver_signals(struct cpu *cpu);

/* A synchronous exception of the instruction at cpu->pc: forces the signal with this si_code and si_addr, as the
 * kernel does (a blocked or ignored one kills). esr is the syndrome for esr_context, 0 for none. */
void sys_force_signal(struct cpu *cpu, int signo, int code, uint64_t addr, uint64_t esr);

/* A debugger lets this thread run instruction by instruction; one was done. */
bool sys_stepping(const struct cpu *cpu);
void sys_stepped(struct cpu *cpu);

/* Whether __kernel_getrandom of the guest's vDSO can be answered: the host's kernel has its like since
 * Linux 6.11. */
bool sys_has_vdso_getrandom(void);

/* The file of the guest's program, as an absolute path on the host. */
const char *sys_guest_path(void);

/* The thread's number for the kernel. */
int sys_thread_id(const struct cpu *cpu);

/* The guest's memory map, as it reads it in /proc/self/maps: malloc'd text, or null when out of memory. */
char *sys_guest_maps(void);

/* The sampler's: asks the thread of this cpu to note a sample (flame_sample()). False: it cannot be asked now. */
bool sys_ask_sample(struct cpu *cpu, int tid);

/* What a signal interrupted: pc, and x0 to x30 with SP, from the frame whose frame record is at `record`. False if
 * that memory can't be read. */
bool sys_interrupted(uint64_t record, uint64_t *pc, uint64_t x[32]);

/* Moves a descriptor of xemu's own (a log, say) out of the guest's way: high, close-on-exec, and safe from the
 * guest's close. Returns the new number. */
int sys_own_fd(int fd);

#endif
