/* Faults on guest memory: where to go on, and copies that may fail. */
#include <xemu/cpu.h>
#include <xemu/fault.h>
#include <xemu/jit.h>

#include <errno.h>
#include <string.h>
#include <ucontext.h>

/* Bits of the x86 page-fault error code (REG_ERR). */
enum { PF_WRITE = 1 << 1, PF_INSTRUCTION = 1 << 4 };

/* Runs on the interrupted stack, below everything that was there. */
enum { EFLAGS_DF = 0x400 };

static _Noreturn void resume_at_recovery_point(void) { longjmp(*this_cpu->recover, 1); }

bool fault_recover(int signo, const siginfo_t *info, void *context)
{
    struct cpu *cpu = this_cpu;
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;

    if (!cpu || !cpu->recover || info->si_code <= 0)
        return false;
    cpu->fault = (struct fault){
        .signo = signo,
        .code = info->si_code == SI_KERNEL ? SEGV_MAPERR : info->si_code, /* SI_KERNEL: not a canonical address */
        .addr = (uint64_t)info->si_addr,
        .write = regs[REG_ERR] & PF_WRITE,
    };
    if (jit_recover(cpu, signo, context, info->si_code == SI_KERNEL || signo == SIGFPE))
        return true;
    if (signo == SIGFPE)
        return false;
    /* As after a call: past the red zone, with the stack's alignment at a function's entry. */
    regs[REG_RSP] = ((regs[REG_RSP] - 256) & ~15ll) - 8;
    regs[REG_RIP] = (greg_t)resume_at_recovery_point;
    regs[REG_EFL] &= ~EFLAGS_DF; /* a copy downwards had set it */
    return true;
}

_Noreturn void fault_raise(struct cpu *cpu, int signo, int code, uint64_t addr)
{
    cpu->fault = (struct fault){.signo = signo, .code = code, .addr = addr};
    longjmp(*cpu->recover, 1);
}

int guest_try(void (*function)(void *), void *arg)
{
    struct cpu *cpu = this_cpu;
    jmp_buf *outer = cpu->recover;
    jmp_buf here;

    if (_setjmp(here)) {
        cpu->recover = outer;
        return -EFAULT;
    }
    cpu->recover = &here;
    function(arg);
    cpu->recover = outer;
    return 0;
}

struct copy {
    void *dst;
    const void *src;
    size_t bytes;
};

/* rep movsb: not seen by sanitizers, whose shadow knows nothing of guest memory. */
static void copy(void *arg)
{
    struct copy *c = arg;
    __asm__ volatile("rep movsb" : "+D"(c->dst), "+S"(c->src), "+c"(c->bytes)::"memory");
}

static int guarded_copy(void *dst, const void *src, size_t bytes)
{
    return guest_try(copy, &(struct copy){dst, src, bytes});
}

int guest_copy_in(void *dst, uint64_t src, size_t bytes)
{
    return guarded_copy(dst, (const void *)guest_untag(src), bytes);
}

int guest_copy_out(uint64_t dst, const void *src, size_t bytes)
{
    return guarded_copy((void *)guest_untag(dst), src, bytes);
}

long guest_copy_string(char *dst, uint64_t src, size_t size)
{
    size_t done = 0;
    while (done < size) {
        /* Never past a page that the string may end in. */
        size_t step = 4096 - ((src + done) & 4095);
        if (step > size - done)
            step = size - done;
        if (guest_copy_in(dst + done, src + done, step))
            return -EFAULT;
        char *end = memchr(dst + done, 0, step);
        if (end)
            return end - dst;
        done += step;
    }
    return -ENAMETOOLONG;
}
