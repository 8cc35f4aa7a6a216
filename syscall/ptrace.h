/* ptrace: a guest debugger and the guest that it traces, each in an xemu of its own.
 *
 * The host's ptrace connects the two, so that waiting, attaching, forks and deaths are the kernel's. But a stop means
 * something to the debugger only where the tracee's registers are the guest's. So the tracee itself stops at such
 * places (tracee_*): a breakpoint instruction of the host, with the address of struct cpu in a register. The tracer
 * (sys_ptrace, sys_wait4, sys_waitid) recognises these stops, shows them as what they stand for, and reads and writes
 * the tracee's struct cpu and struct traced. All other stops it keeps to itself: faults of the tracee's xemu go on to
 * their handler, and a signal is handed in with a mark (TRACE_MARK), so that the tracee stops when it would deliver it
 * to the guest. */
#ifndef SYSCALL_PTRACE_H
#define SYSCALL_PTRACE_H

#include <xemu/cpu.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct task;

/* In the struct task of a tracee. While it is stopped this is the tracer's to read and write. */
struct traced {
    volatile int on;      /* somebody traces this thread */
    int seized;
    uint32_t options;     /* PTRACE_O_ */
    int mode;             /* PTRACE_CONT, PTRACE_SYSCALL or PTRACE_SINGLESTEP: how it goes on */
    int status;           /* the stop: signal, event << 8 */
    int call;             /* PTRACE_SYSCALL_INFO_ENTRY or _EXIT in a stop at a system call */
    uint64_t restart_pc;  /* behind a call that a stop has interrupted: it is repeated if no handler runs */
    uint64_t restart_x0;
    int newborn;          /* has begun in the middle of its parent's system call */
    int signal;           /* what the tracer gave it to go on with */
    int code_changed;     /* the tracer may have changed guest code */
    int fp_changed;       /* fpcr and fpsr are new */
    uint32_t fpcr, fpsr;
    int passing;          /* this signal's default action is on its way: for the kernel, not for the tracer */
    volatile int interrupted; /* PTRACE_INTERRUPT */
    volatile int halted;  /* a SIGSTOP waits, with halt_info */
    int marked;           /* the thread that got the last marked signal */
    uint64_t message;
    siginfo_t info, halt_info;
};

/* A marked signal is a SIGTRAP with si_errno = TRACE_MARK << 8 | signal; 0 for an interruption. */
enum { TRACE_MARK = 0x5a17c3 };
#define TRACE_STOP 0x7c0ffee5afe57091ull /* rax in a stop; rdi is the cpu */

/* ---- the tracee; cheap when nobody traces ---- */

static inline bool tracee_on(const struct traced *traced) { return __builtin_expect(traced->on, 0); }

/* Before and after a system call. */
void tracee_call(struct cpu *cpu, int entry_or_exit);

/* A filter of system calls (SECCOMP_RET_TRACE, with this data) leaves the call to the tracer, who may change registers
 * meanwhile. False: nobody wants to know. */
bool tracee_filtered(struct cpu *cpu, uint16_t data);

/* A signal is about to be delivered; false: the tracer swallowed it, otherwise *info may be another one. */
bool tracee_signal(struct cpu *cpu, siginfo_t *info);

/* A system call was interrupted: notes it if the kernel would resume it after a stop. Later, when the signals are
 * delivered, goes back to it unless a handler is to run. */
GENERAL_REGISTERS void tracee_interrupted(struct cpu *cpu, uint64_t x0);
void tracee_resume_call(struct cpu *cpu);

/* PTRACE_INTERRUPT and SIGSTOP, between two instructions: false if there is neither, or *info is to be delivered. */
bool tracee_halted(struct cpu *cpu, siginfo_t *info);

/* A new thread or process begins (clone's event in the parent: PTRACE_EVENT_...), or a new program. */
void tracee_begin(struct cpu *cpu, int event);
void tracee_begin_program(struct cpu *cpu);

/* A debugger has attached to this thread itself, not to the one that it is a copy of. */
bool tracee_attached(const struct task *task);

/* In the handler of SIGTRAP: whether that was a stop that nobody traced, or a marked signal, which is made what it
 * stands for; *info is then the real one, si_signo 0 if there is nothing to deliver. */
bool tracee_untraced_stop(void *ucontext);
bool tracee_marked(siginfo_t *info);

/* ---- the tracer ---- */

void tracer_child(void); /* a fork's child traces nobody */

#endif
