/* Guest threads: each is a host thread with a cpu, a task and a small host stack. */
#include <xemu/critical.h>
#include <xemu/ending.h>
#include <xemu/exit.h>
#include <xemu/fault.h>
#include <xemu/guestmem.h>
#include <xemu/host_thread.h>
#include <xemu/interp.h>
#include <xemu/jit.h>
#include <xemu/own.h>
#include <xemu/report.h>
#include <xemu/sampler.h>
#include <xemu/sanitizer.h>

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"
#include "uring.h"

enum { GUARD_SIZE = 4096 };

static pthread_mutex_t list_lock =
    PTHREAD_MUTEX_INITIALIZER; /* over the list of threads, and seccomp's filters */
static struct task *threads;

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int living = 1; /* guest threads of this process; a vfork child counts nothing */
static struct thread_block
    *blocks; /* all that are mapped; in use, or left by a thread that may still be dying */

/* ---- the threads of the process ---- */

struct task *threads_lock(void)
{
    pthread_mutex_lock(&list_lock);
    return threads;
}

void threads_unlock(void) { pthread_mutex_unlock(&list_lock); }

int sys_thread_id(const struct cpu *cpu) { return cpu->task->tid; }

void threads_add(struct task *task, int tid)
{
    task->tid = tid;
    task->next = threads;
    task->listed = true;
    threads = task;
}

void threads_remove(struct task *task)
{
    if (!task->listed)
        return;
    pthread_mutex_lock(&list_lock);
    struct task **link = &threads;
    while (*link && *link != task)
        link = &(*link)->next;
    if (*link)
        *link = task->next;
    pthread_mutex_unlock(&list_lock);
}

void threads_child(struct task *task)
{
    pthread_mutex_init(&list_lock, NULL); /* whoever held it isn't here */
    threads = NULL;
    threads_add(task, getpid());
}

/* ---- cpu and task ---- */

struct cpu *task_copy(const struct cpu *from, bool share_sighand)
{
    struct cpu *cpu = aligned_alloc(_Alignof(struct cpu), (sizeof *cpu + 63) & ~(size_t)63);
    struct task *task = calloc(1, sizeof *task);
    struct sighand *sighand = NULL;
    if (cpu && task)
        sighand = share_sighand ? sighand_share(from->task->sighand) : sighand_copy(from->task->sighand);
    if (!sighand) {
        free(cpu);
        free(task);
        return NULL;
    }
    *cpu = *from;
    cpu->stop = 0;
    cpu->excl_addr = EXCL_NONE;
    cpu->rseq = 0; /* the kernel registers no thread but the one that asks for it */
    cpu->recover = NULL;
    cpu->interp = NULL;
    cpu->jit = NULL;
    cpu->task = task;
    task->cpu = cpu;
    task->sighand = sighand;
    task->sigmask = from->task->sigmask;
    task->limits = from->task->limits;
    task->altstack = from->task->altstack;
    task->seccomp.mode = from->task->seccomp.mode;
    task->seccomp.filter = from->task->seccomp.filter;
    task->traced = from->task->traced;
    return cpu;
}

void task_free(struct cpu *cpu)
{
    threads_remove(cpu->task);
    interp_free(cpu);
    jit_free(cpu);
    sighand_drop(cpu->task->sighand);
    free(cpu->task->exec_scratch);
    free(cpu->task);
    free(cpu);
}

/* ---- host stacks ---- */

static bool thread_is_gone(int tid)
{
    return tid && host_raw(SYS_tgkill, (uint64_t)getpid(), (uint64_t)tid, 0, 0) == -ESRCH;
}

static struct thread_block *block_map(void)
{
    size_t total = GUARD_SIZE + THREAD_STACK_SIZE + HOST_ALTSTACK_SIZE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    struct thread_block *block = calloc(1, sizeof *block);
    char *at = block ? own_map(total, PROT_READ | PROT_WRITE, flags, -1) : NULL;
    if (!at) {
        free(block);
        return NULL;
    }
    mprotect(at, GUARD_SIZE, PROT_NONE);
    block->base = at;
    block->stack = at + GUARD_SIZE;
    block->altstack = at + GUARD_SIZE + THREAD_STACK_SIZE;
    return block;
}

struct thread_block *thread_block_get(void)
{
    pthread_mutex_lock(&blocks_lock);
    struct thread_block *block = blocks;
    while (block && !(block->left && thread_is_gone(block->tid)))
        block = block->next;
    if (!block && (block = block_map())) {
        block->next = blocks;
        blocks = block;
    }
    if (block) {
        block->left = false;
        block->tid = 0;
        sanitizer_forget_frames(block->stack, THREAD_STACK_SIZE + HOST_ALTSTACK_SIZE);
    }
    pthread_mutex_unlock(&blocks_lock);
    return block;
}

void thread_block_put(struct thread_block *block, int tid)
{
    pthread_mutex_lock(&blocks_lock);
    block->tid = tid;
    block->left = true;
    pthread_mutex_unlock(&blocks_lock);
}

void *thread_block_top(struct thread_block *block) { return (char *)block->stack + THREAD_STACK_SIZE; }

static void block_unmap(struct thread_block *block)
{
    sanitizer_forget_frames(block->stack, THREAD_STACK_SIZE + HOST_ALTSTACK_SIZE);
    munmap(block->base, GUARD_SIZE + THREAD_STACK_SIZE + HOST_ALTSTACK_SIZE);
    free(block);
}

/* ---- fork ---- */

void threads_fork_prepare(struct task *task)
{
    pthread_mutex_lock(&blocks_lock);
    ipc_fork_prepare();
    uring_fork_prepare();
    pthread_mutex_lock(&task->sighand->lock);
    sampler_before_fork();
    guestmem_fork_prepare();
    critical_fork_prepare();
    jit_fork_prepare();
}

void threads_fork_done(struct task *task, enum forked forked)
{
    jit_fork_done(forked == FORKED_PARENT ? NULL : this_cpu);
    critical_fork_done();
    guestmem_fork_done();
    pthread_mutex_unlock(&task->sighand->lock);
    uring_fork_done(forked != FORKED_PARENT);
    ipc_fork_done();
    if (forked != FORKED_PARENT) { /* the other threads don't exist here */
        struct thread_block *next;
        for (struct thread_block *block = blocks; block; block = next) {
            next = block->next;
            if (block != task->block && forked == FORKED_CHILD)
                block_unmap(block); /* else the C library still has them in its lists */
        }
        report_forked();
        sampler_forked(this_cpu, forked == FORKED_CHILD);
        blocks = task->block;
        if (blocks)
            blocks->next = NULL;
        task->sighand->users = 1;
        living = 1;
        guest_lock_future(0); /* locks aren't inherited */
    } else {
        sampler_has_child();
    }
    pthread_mutex_unlock(&blocks_lock);
}

/* ---- life of a thread ---- */

struct start {
    struct cpu *cpu;
    const struct clone_args64 *args;
    sem_t started;
    int tid;
};

/* What clone's flags ask of the new thread itself, before it runs guest code and before clone returns. */
static void apply_flags(const struct clone_args64 *args, int tid)
{
    uint64_t flags = args->flags, lacking = ~flags & (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM);
    if (flags & CLONE_PARENT_SETTID)
        guest_copy_out(args->parent_tid, &tid, sizeof tid);
    if (flags & CLONE_CHILD_SETTID)
        guest_copy_out(args->child_tid, &tid, sizeof tid);
    /* At the thread's end the kernel itself goes through the guest's robust list and clears and wakes the
     * guest's tid, in its order; the C library's own uses of both aren't needed for a detached thread on our
     * stack. */
    host_raw(SYS_set_tid_address, flags & CLONE_CHILD_CLEARTID ? args->child_tid : 0, 0, 0, 0);
    host_raw(SYS_set_robust_list, 0, 3 * sizeof(uint64_t), 0, 0);
    if (lacking)
        host_raw(SYS_unshare, lacking, 0, 0, 0);
}

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct cpu *cpu = start->cpu;
    struct thread_block *block = cpu->task->block;
    int tid = (int)host_raw(SYS_gettid, 0, 0, 0, 0);
    this_cpu = cpu;
    signal_thread_init(block->altstack, HOST_ALTSTACK_SIZE);
    apply_flags(start->args, tid);
    start->tid = cpu->task->tid = tid;
    sem_post(&start->started); /* *start is gone from here on */
    if (setjmp(cpu->task->leave) == 0) {
        signal_release(cpu->task);
        if (tracee_on(&cpu->task->traced))
            tracee_begin(cpu, PTRACE_EVENT_CLONE);
        run_loop(cpu);
    }
    this_cpu = NULL;
    signal_thread_init(NULL, 0);
    task_free(cpu);
    thread_block_put(block, tid);
    return NULL;
}

int thread_start(struct thread_block *block, void *(*main)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, block->stack, THREAD_STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int error = host_thread(&thread, &attr, main, arg);
    pthread_attr_destroy(&attr);
    return -error;
}

static int64_t start_guest_thread(struct start *start, struct thread_block *block)
{
    sem_init(&start->started, 0, 0);
    int error = thread_start(block, thread_main, start);
    if (!error) {
        while (sem_wait(&start->started))
            ; /* interrupted by a synchronous signal that somebody sent */
    }
    sem_destroy(&start->started);
    return error ? error : start->tid;
}

int64_t thread_create(struct cpu *cpu, const struct clone_args64 *args)
{
    struct start start = {.args = args};
    if (cpu->task->vfork_child) /* it borrows its parent's thread: nothing can start from there */
        return -EAGAIN;
    struct thread_block *block = thread_block_get();
    start.cpu = block ? task_copy(cpu, true) : NULL;
    if (!start.cpu) {
        if (block)
            thread_block_put(block, NO_TID);
        return -EAGAIN;
    }
    start.cpu->x[0] = 0;
    start.cpu->pc += 4;
    if (args->stack)
        start.cpu->x[31] = args->stack + args->stack_size;
    if (args->flags & CLONE_SETTLS)
        start.cpu->tpidr_el0 = args->tls;
    start.cpu->task->block = block;
    start.cpu->task->altstack = (struct arm64_stack){.flags = SS_DISABLE};
    sample_begin(start.cpu->task);
    int64_t result = RESULT_RESTART;
    if (signal_hold(cpu)) { /* the new thread starts with a closed mask */
        living++;
        seccomp_thread_begin(start.cpu->task, cpu->task);
        result = start_guest_thread(&start, block);
        if (result < 0)
            living--;
        signal_release(cpu->task);
    }
    if (result < 0) {
        task_free(start.cpu);
        thread_block_put(block, NO_TID);
    }
    return result;
}

bool thread_is_last(void) { return living == 1; }

int64_t sys_exit_group(struct cpu *cpu, const uint64_t args[6])
{
    if (!cpu->task->vfork_child) /* which counts for its parent */
        ending_write();
    return host_call(SYS_exit_group, args);
}

int64_t sys_exit(struct cpu *cpu, const uint64_t args[6])
{
    if (!signal_hold(cpu))
        return RESULT_RESTART;
    if (cpu->task->vfork_child)
        host_raw(SYS_exit, args[0], 0, 0, 0);
    rseq_end(cpu);
    /* The last thread gives the process its status and ends it, with host threads that aren't the guest's (lenders,
     * a sanitizer's). The process's first thread stays in the kernel's books until then; its stack is never used
     * again. Others end through the C library, which has things of theirs to free. */
    if (--living == 0)
        sys_exit_group(cpu, args);
    if (host_raw(SYS_gettid, 0, 0, 0, 0) == getpid()) {
        threads_remove(cpu->task);
        host_raw(SYS_exit, args[0], 0, 0, 0);
    }
    sampler_thread_end(cpu);
    longjmp(cpu->task->leave, 1);
}
