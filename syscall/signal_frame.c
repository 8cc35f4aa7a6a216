/* The guest's signal frame, as arch/arm64/kernel/signal.c lays it out, and the way back from it. */
#include <xemu/fault.h>
#include <xemu/features.h>
#include <xemu/fp.h>
#include <xemu/landing.h>
#include <xemu/sys.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "handlers.h"
#include "regset.h"
#include "task.h"

/* Above the frame lies a frame record {fp, lr}, so that unwinders walk from the handler into the interrupted
 * code. */
struct frame_record {
    uint64_t fp, lr;
};

/* PSTATE bits that EL0 code can't have: a mode other than EL0t, AArch32, masked exceptions. */
enum { PSTATE_FORBIDDEN = 0x1f | 0x3c0 };

/* ---- alternate stack ---- */

static bool on_altstack(const struct arm64_stack *stack, uint64_t sp)
{
    return !(stack->flags & SS_AUTODISARM_FLAG) && sp > stack->sp && sp - stack->sp <= stack->size;
}

static int altstack_set(struct task *task, const struct arm64_stack *stack, uint64_t sp)
{
    struct arm64_stack new = *stack;
    int mode = new.flags & ~SS_AUTODISARM_FLAG;
    if (on_altstack(&task->altstack, sp))
        return -EPERM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode == SS_DISABLE)
        new.sp = new.size = 0;
    else if (new.size < ARM64_MINSIGSTKSZ)
        return -ENOMEM;
    task->altstack = new;
    return 0;
}

int64_t sys_sigaltstack(struct cpu *cpu, const uint64_t args[6])
{
    struct task *task = cpu->task;
    struct arm64_stack new, old = task->altstack;
    if (args[0] && guest_copy_in(&new, args[0], sizeof new))
        return -EFAULT;
    int state = !old.size ? SS_DISABLE : on_altstack(&old, cpu->x[31]) ? SS_ONSTACK : 0;
    old.flags = (old.flags & SS_AUTODISARM_FLAG) | state;
    old.pad = 0;
    int result = args[0] ? altstack_set(task, &new, cpu->x[31]) : 0;
    if (result == 0 && args[1])
        result = guest_copy_out(args[1], &old, sizeof old);
    return result;
}

/* ---- making a frame ---- */

static void *put_ctx(uint8_t **next, uint32_t magic, uint32_t size)
{
    struct arm64_ctx *head = (struct arm64_ctx *)*next;
    *head = (struct arm64_ctx){magic, size};
    *next += size;
    return head;
}

static void fill_frame(struct cpu *cpu, struct arm64_rt_sigframe *frame, const siginfo_t *info)
{
    struct task *task = cpu->task;
    struct arm64_sigcontext *context = &frame->uc.mcontext;
    memset(frame, 0, sizeof *frame);
    memcpy(frame->info, info, sizeof frame->info);
    frame->uc.stack = task->altstack;
    frame->uc.sigmask = task->sigmask;
    context->fault_address = task->fault_address;
    memcpy(context->regs, cpu->x, sizeof context->regs);
    context->sp = cpu->x[31];
    context->pc = cpu->pc;
    context->pstate = cpu->nzcv | cpu->pstate;

    uint8_t *next = context->reserved;
    struct arm64_fpsimd *fpsimd = put_ctx(&next, FPSIMD_MAGIC, sizeof *fpsimd);
    fpsimd->fpsr = fp_get_fpsr(cpu);
    fpsimd->fpcr = cpu->fpcr;
    memcpy(fpsimd->v, cpu->v, sizeof fpsimd->v);
    if (task->fault_esr) {
        struct arm64_esr *esr = put_ctx(&next, ESR_MAGIC, sizeof *esr);
        esr->esr = task->fault_esr;
    }
    /* the terminator, magic 0 and size 0, is there already */
}

static uint64_t frame_top(const struct cpu *cpu, const struct arm64_sigaction *action)
{
    const struct arm64_stack *stack = &cpu->task->altstack;
    bool use = (action->flags & SA_ONSTACK) && stack->size && !on_altstack(stack, cpu->x[31]);
    return (use ? stack->sp + stack->size : cpu->x[31]) & ~15ull;
}

bool signal_push_frame(struct cpu *cpu, const struct arm64_sigaction *action, const siginfo_t *info)
{
    struct task *task = cpu->task;
    struct arm64_rt_sigframe frame;
    struct frame_record record = {cpu->x[29], cpu->x[30]};
    uint64_t record_at = frame_top(cpu, action) - sizeof record;
    uint64_t frame_at = record_at - sizeof frame;
    fill_frame(cpu, &frame, info);
    if (guest_copy_out(frame_at, &frame, sizeof frame) || guest_copy_out(record_at, &record, sizeof record))
        return false;

    cpu->x[0] = (uint64_t)info->si_signo;
    cpu->x[1] = frame_at + offsetof(struct arm64_rt_sigframe, info);
    cpu->x[2] = frame_at + offsetof(struct arm64_rt_sigframe, uc);
    cpu->x[29] = record_at;
    cpu->x[30] = action->flags & KERNEL_SA_RESTORER ? action->restorer : guest_image.sigreturn;
    cpu->x[31] = frame_at;
    cpu->pc = action->handler;
    cpu->pstate &= ~(uint32_t)PSTATE_BTYPE;
    if (feature_on[FEAT_BTI]) /* the kernel sees to it that a handler is entered as a function is */
        landing_begin(cpu, BRANCH_CALL);
    cpu->excl_addr = EXCL_NONE; /* an exception return clears the monitor */

    task->sigmask = (task->suspended ? task->suspend_mask : task->sigmask) | action->mask;
    if (!(action->flags & SA_NODEFER))
        task->sigmask |= SIGBIT(info->si_signo);
    task->suspended = false;
    if (task->altstack.flags & SS_AUTODISARM_FLAG)
        task->altstack = (struct arm64_stack){.flags = SS_DISABLE};
    return true;
}

/* ---- going back ---- */

/* Finds the FP state among the records; null if the chain is damaged or has none. */
static const struct arm64_fpsimd *find_fpsimd(const struct arm64_sigcontext *context)
{
    const struct arm64_fpsimd *found = NULL;
    for (size_t at = 0; at + sizeof(struct arm64_ctx) <= SIGCONTEXT_RESERVED;) {
        const struct arm64_ctx *head = (const struct arm64_ctx *)(context->reserved + at);
        if (head->magic == 0)
            return head->size == 0 ? found : NULL;
        if (head->size < sizeof *head || head->size % 16 || head->size > SIGCONTEXT_RESERVED - at)
            return NULL;
        if (head->magic == FPSIMD_MAGIC) {
            if (found || head->size != sizeof *found)
                return NULL;
            found = (const struct arm64_fpsimd *)head;
        } else if (head->magic != ESR_MAGIC) {
            return NULL; /* nothing else was in a frame of ours */
        }
        at += head->size;
    }
    return NULL;
}

static void restore(struct cpu *cpu, const struct arm64_ucontext *uc, const struct arm64_fpsimd *fpsimd)
{
    const struct arm64_sigcontext *context = &uc->mcontext;
    memcpy(cpu->x, context->regs, sizeof context->regs);
    cpu->x[31] = context->sp;
    cpu->pc = context->pc;
    regset_put_pstate(cpu, (uint32_t)context->pstate);
    memcpy(cpu->v, fpsimd->v, sizeof fpsimd->v);
    fp_set_fpcr(cpu, fpsimd->fpcr);
    fp_set_fpsr(cpu, fpsimd->fpsr);
    cpu->excl_addr = EXCL_NONE;
}

static int64_t bad_frame(struct cpu *cpu)
{
    sys_force_signal(cpu, SIGSEGV, SEGV_ACCERR, cpu->x[31], 0);
    return RESULT_NONE;
}

int64_t sys_rt_sigreturn(struct cpu *cpu, const uint64_t args[6])
{
    (void)args;
    struct arm64_rt_sigframe frame;
    struct task *task = cpu->task;
    if (cpu->x[31] % 16 || guest_copy_in(&frame, cpu->x[31], sizeof frame))
        return bad_frame(cpu);
    const struct arm64_fpsimd *fpsimd = find_fpsimd(&frame.uc.mcontext);
    if (!fpsimd || (frame.uc.mcontext.pstate & PSTATE_FORBIDDEN))
        return bad_frame(cpu);
    if (!signal_hold(cpu))
        return RESULT_RESTART;
    restore(cpu, &frame.uc, fpsimd);
    altstack_set(task, &frame.uc.stack, cpu->x[31]); /* the kernel, too, ignores its errors */
    task->sigmask = frame.uc.sigmask & ~UNBLOCKABLE;
    if (signal_sync_pending(task) & ~task->sigmask)
        cpu->stop = 1;
    signal_release(task);
    return RESULT_NONE;
}

/* ---- for those who look on ---- */

bool sys_interrupted(uint64_t record, uint64_t *pc, uint64_t x[32])
{
    struct arm64_rt_sigframe frame;
    if (guest_copy_in(&frame, record - sizeof frame, sizeof frame))
        return false;
    memcpy(x, frame.uc.mcontext.regs, sizeof frame.uc.mcontext.regs);
    x[31] = frame.uc.mcontext.sp;
    *pc = frame.uc.mcontext.pc;
    return true;
}
