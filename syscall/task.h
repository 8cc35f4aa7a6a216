/* A guest thread as the guest's kernel sees it, and the helpers that the files of this folder share. */
#ifndef SYSCALL_TASK_H
#define SYSCALL_TASK_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <xemu/cpu.h>
#include <xemu/loader.h>

#include "abi.h"
#include "host.h"
#include "limits.h"
#include "ptrace.h"
#include "seccomp.h"

/* Signal actions; shared by the threads of a process, a private copy in a vfork child. */
struct sighand {
    pthread_mutex_t lock;
    uint64_t users; /* tasks that refer to it; atomic */
    struct arm64_sigaction action[NSIG64 + 1];
};

/* A pending signal, as the host's handler got it. */
struct pending {
    volatile bool full;
    siginfo_t info;
};

struct task {
    struct cpu *cpu; /* whose task it is */
    int tid;
    struct task *next; /* thread of this process; threads_lock() */
    bool listed;
    volatile bool parked; /* stays where it is until the process ends: coredump_park() */
    struct sighand *sighand;
    uint64_t sigmask; /* as the guest sees it; the host's mask is this without SYNC_SIGNALS and sample_bit() */

    /* Filled by the host's signal handler. `async` is one slot: while it's full, the host's mask is closed
     * and the kernel keeps the queue. The synchronous signals can't be blocked on the host, so each has a
     * slot for when somebody sent it. */
    struct pending async;
    struct pending sync[5]; /* ORDER sync_signals: signal_host.c */

    /* --flame's (sample.c): the real-time signal that asks for samples, 0 for none, and whether that is being sent;
     * atomic. What the guest blocks but a system call lets through that it is in. */
    int sample_signal;
    bool asking;
    uint64_t let_through;

    /* sigsuspend, ppoll and their kin returned -EINTR: the next frame's handler runs under this mask instead
     * of sigmask (which the frame saves). */
    bool suspended;
    uint64_t suspend_mask;

    struct limits *limits, borrowed_limits;

    struct rseq_area {
        uint64_t address; /* 0: none is registered */
        uint32_t length, signature;
    } rseq;

    struct arm64_stack altstack;
    uint64_t fault_address, fault_esr; /* of the last synchronous fault, for the frames */

    struct seccomp seccomp;
    struct traced traced;

    struct thread_block *block; /* of a thread that guest code made; null in the first one */
    jmp_buf leave;              /* back to the start routine, which ends the host thread */
    bool vfork_child;           /* a process that runs in its suspended parent's memory and thread */
    void *exec_scratch;         /* an execve's memory: if it succeeds in a vfork child, the parent frees it */
};

/* The facts of the image for this process. */
extern struct guest_image guest_image;

/* Restartable sequences: the kernel writes no more to the memory of a thread that ends. */
void rseq_end(struct cpu *cpu);

/* ---- signals ---- */

#define SIGBIT(signo) (1ull << ((signo)-1))
#define SYNC_SIGNALS  (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP))
#define UNBLOCKABLE   (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

/* By default these end a process with a core dump; these don't end it; all others do (signal(7)). */
#define CORE_SIGNALS                                                                                           \
    (SYNC_SIGNALS | SIGBIT(SIGQUIT) | SIGBIT(SIGABRT) | SIGBIT(SIGXCPU) | SIGBIT(SIGXFSZ) | SIGBIT(SIGSYS))
#define SURVIVED_SIGNALS                                                                                       \
    (SIGBIT(SIGCHLD) | SIGBIT(SIGCONT) | SIGBIT(SIGURG) | SIGBIT(SIGWINCH) | SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | \
     SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))

/* Installs the host's handlers and takes over the inherited dispositions and mask. */
void signal_init(struct task *task);

/* Gives the calling host thread its alternate stack for host handlers; null: takes it away. */
void signal_thread_init(void *altstack, size_t size);

/* Mirrors the guest's action for signo into the host's disposition. Returns 0 or -errno. */
int64_t signal_mirror(int signo, const struct arm64_sigaction *action);

/* Closes the host's mask for all but the synchronous signals, so that the slots don't change; false when a
 * signal is already waiting: the caller returns RESULT_RESTART. signal_release() opens it to the guest's mask
 * again. */
bool signal_hold(struct cpu *cpu);
void signal_release(struct task *task);

/* Questions of --flame (sample.c): whether the host's action of this signal has to be a handler of xemu's for them; the
 * signal that the host's mask leaves open, as a bit; in a new thread or process; in sys_deliver_signals() with the mask
 * closed; before execve, when no more are asked and the mask is closed. */
bool sample_takes(int signo);
uint64_t sample_bit(const struct task *task);
void sample_begin(struct task *task);
void sample_at_stop(struct task *task);
void sample_end(struct task *task);

/* The host's handlers: whether there is nothing more to do for this signal; it was the sampler's timer. */
bool sample_signalled(int signo, const siginfo_t *info, void *ucontext);
bool sample_timer(const siginfo_t *info, void *ucontext);

/* The synchronous signals that were sent and wait in the task, as a mask. */
uint64_t signal_sync_pending(const struct task *task);
bool signal_take_sync(struct task *task, uint64_t set, siginfo_t *info);

/* Ends or stops the process as the kernel does by default for this signal; returns where that means to ignore
 * or once the process goes on. */
void signal_default(struct task *task, const siginfo_t *info);

/* Gives sent but still blocked synchronous signals back to the kernel, before execve. */
void signal_before_exec(struct task *task);
void signal_after_failed_exec(struct task *task);

/* Forces the signal of a synchronous exception, as the kernel does: a blocked or ignored one kills. The host's mask is
 * closed (signal_hold). */
void signal_force(struct cpu *cpu, const siginfo_t *info);

/* Makes the frame of a handler (signal_frame.c); false if the stack isn't writable. */
bool signal_push_frame(struct cpu *cpu, const struct arm64_sigaction *action, const siginfo_t *info);

/* A private copy (from may be null: all default), one user more, one user less. */
struct sighand *sighand_copy(struct sighand *from);
struct sighand *sighand_share(struct sighand *from);
void sighand_drop(struct sighand *sighand);

/* ---- processes and threads ---- */

/* Host stacks hold xemu's frames only: the guest's stack is guest memory. Untouched pages cost nothing. The
 * thread sanitizer keeps its variables there as well. */
#ifdef __SANITIZE_THREAD__
enum { THREAD_STACK_SIZE = 4096 * 1024 };
#else
enum { THREAD_STACK_SIZE = 256 * 1024 };
#endif
enum { HOST_ALTSTACK_SIZE = 64 * 1024 };

/* Starts a host thread with a copy of *cpu that goes on as a new guest thread. The new tid, -errno or
 * RESULT_RESTART. */
int64_t thread_create(struct cpu *cpu, const struct clone_args64 *args);

/* The threads of this process, in no order: threads_lock() gives the first one, and until threads_unlock()
 * their list stays what it is. A vfork child, which borrows a thread, isn't in it. A fork's child is its only
 * thread. */
struct task *threads_lock(void);
void threads_unlock(void);
void threads_add(struct task *task, int tid); /* the lock is held */
void threads_remove(struct task *task);
void threads_child(struct task *task);

/* Whether the calling thread is the only one of the guest's in this process. */
bool thread_is_last(void);

/* Around fork, in the thread that forks. Every lock of this folder and of guest memory is held meanwhile, so
 * that none can hang the child. */
enum forked {
    FORKED_PARENT,    /* here nothing has changed */
    FORKED_CHILD,     /* made by the C library's fork() */
    FORKED_RAW_CHILD, /* made behind its back */
};
void threads_fork_prepare(struct task *task);
void threads_fork_done(struct task *task, enum forked forked);
void ipc_fork_prepare(void);
void ipc_fork_done(void);

/* A cpu and task for a new guest thread or process, copied from *cpu; null when out of memory. */
struct cpu *task_copy(const struct cpu *cpu, bool share_sighand);
void task_free(struct cpu *cpu);

/* A host stack for a thread or a vfork child, with an alternate stack for its host signal handlers. */
struct thread_block {
    struct thread_block *next;
    bool left; /* nobody needs it as soon as thread `tid` is gone from the kernel */
    int tid;
    void *base, *stack, *altstack;
};
enum { NO_TID = INT32_MAX };                 /* a tid that never exists */
struct thread_block *thread_block_get(void); /* null when out of memory */
void thread_block_put(struct thread_block *block, int tid);
void *thread_block_top(struct thread_block *block);

/* Starts a detached host thread on the block's stack; all signals are as closed as in the caller. 0 or
 * -errno. */
int thread_start(struct thread_block *block, void *(*main)(void *), void *arg);

/* Started from a descriptor because the program has no path: keeps that for /proc/self/exe (exec.c). */
void exec_adopt_program(void);

/* Whether the calling thread has a capability (CAP_) in effect. */
bool has_capability(int capability);

/* ---- descriptors of xemu's own ---- */

/* Moves fd out of the guest's way (high, close-on-exec) and protects it from the guest. Returns the new
 * number; fd itself if there is no room above. */
int own_fd(int fd);
bool is_own_fd(uint64_t fd);

/* A descriptor of xemu's program, kept once /proc may vanish; -1: /proc/self/exe will do. */
int self_exe_fd(void);
void self_exe_pin(void);
void self_exe_adopt(void);

/* ---- system call table ---- */

typedef int64_t sys_handler(struct cpu *cpu, const uint64_t args[6]);
struct syscall_row {
    const char *name;     /* null: no such call */
    const char *letters;  /* one per argument: syscalls.def */
    sys_handler *handler; /* null: straight to the host */
    short host;           /* -1: not implemented */
};
const struct syscall_row *syscall_row(uint64_t number);

#endif
