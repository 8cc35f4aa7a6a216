/* System calls to the host: the restartable stub and the signal handler's view of it. */
#include "host.h"

#include <xemu/sys.h>

#include <errno.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* int64_t host_call_stub(volatile uint32_t *stop, long number, const uint64_t args[6])
 *
 * From host_call_check to host_call_insn (inclusive) nothing has happened yet: a signal handler that finds
 * rip there sends it to host_call_restart, so that a signal between the check and the call is never slept
 * over. When the kernel restarts an interrupted call (SA_RESTART and its kin), it sets rip back to
 * host_call_insn before it enters our handler: the same rule then makes the guest repeat its SVC after its
 * own handler. */
__asm__(".pushsection .text\n"
        ".globl host_call_stub, host_call_check, host_call_insn, host_call_restart, host_call_done\n"
        ".hidden host_call_stub, host_call_check, host_call_insn, host_call_restart, host_call_done\n"
        ".type host_call_stub, @function\n"
        "host_call_stub:\n"
        ".cfi_startproc\n"
        "    mov %rsi, %rax\n"
        "    mov %rdi, %rcx\n"
        "    mov %rdx, %r11\n"
        "    mov (%r11), %rdi\n"
        "    mov 8(%r11), %rsi\n"
        "    mov 16(%r11), %rdx\n"
        "    mov 24(%r11), %r10\n"
        "    mov 32(%r11), %r8\n"
        "    mov 40(%r11), %r9\n"
        "host_call_check:\n"
        "    cmpl $0, (%rcx)\n"
        "    jne host_call_restart\n"
        "host_call_insn:\n"
        "    syscall\n"
        "host_call_done:\n"
        "    ret\n"
        "host_call_restart:\n"
        "    mov $-512, %rax\n" /* RESULT_RESTART */
        "    ret\n"
        ".cfi_endproc\n"
        ".size host_call_stub, . - host_call_stub\n"
        ".popsection\n");

extern const char host_call_check[], host_call_insn[], host_call_restart[], host_call_done[];

/* The places where calls are made for the guest: here, and in compiled code. */
static struct call_place places[] = {
    {host_call_check, host_call_insn, host_call_restart, host_call_done},
    {0},
};
enum { PLACES = sizeof places / sizeof *places };

void sys_direct_made(struct call_place place) { places[1] = place; }

int64_t host_call(long number, const uint64_t args[6])
{
    return host_call_stub(&this_cpu->stop, number, args);
}

static void rewind_at(const struct call_place *place, greg_t *regs)
{
    uint64_t rip = (uint64_t)regs[REG_RIP];
    if (rip < (uint64_t)place->check || rip > (uint64_t)place->insn)
        return;
    /* A call that sleeps for a relative time isn't repeated but resumed, by restart_syscall. With a handler
     * in between, the kernel's answer to that is EINTR (do_no_restart_syscall). */
    if (rip == (uint64_t)place->insn && regs[REG_RAX] == SYS_restart_syscall) {
        regs[REG_RAX] = -EINTR;
        regs[REG_RIP] = (greg_t)place->done;
        return;
    }
    regs[REG_RIP] = (greg_t)place->restart;
}

void host_call_rewind(void *ucontext)
{
    for (int i = 0; i < PLACES; i++)
        rewind_at(&places[i], ((ucontext_t *)ucontext)->uc_mcontext.gregs);
}

void host_call_repeat(void *ucontext)
{
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    for (int i = 0; i < PLACES; i++) {
        if (regs[REG_RIP] == (greg_t)places[i].done && regs[REG_RAX] == -EINTR)
            regs[REG_RIP] = (greg_t)places[i].restart;
    }
}
