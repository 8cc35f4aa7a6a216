/* The short way of a system call that the host takes as it is, for compiled code: everything in one function, and few
 * lines of memory, since after a call into the kernel none of them is near. */
#include <xemu/log.h>
#include <xemu/report.h>
#include <xemu/sys.h>

#include <errno.h>
#include <stdatomic.h>

#include "abi.h"
#include "host.h"
#include "strace.h"
#include "task.h"

/* The host's numbers of the calls without a handler, plus one; 0: there is one, or no such call. */
#define PASS(nr, name, letters)       [nr] = 1 + SYS_##name,
#define PATH(nr, name, letters)
#define MAP(nr, name, letters, note)
#define EMU(nr, name, letters, note)
#define NONE(nr, name, letters, note)
static const uint16_t numbers[] = {
#include "syscalls.def"
};

/* Nobody wants to know of the call, or has a say in it. */
GENERAL_REGISTERS static bool is_private(const struct task *task)
{
    return !((log_mask & LOG_STRACE) | options.strace | task->seccomp.mode | task->traced.on);
}

/* As host_call_stub(): ORDER direct_call: host.c. */
GENERAL_REGISTERS static inline int64_t make_call(const struct cpu *cpu, uint64_t number)
{
    register uint64_t r10 __asm__("r10") = cpu->x[3];
    register uint64_t r8 __asm__("r8") = cpu->x[4];
    register uint64_t r9 __asm__("r9") = cpu->x[5];
    int64_t result;
    __asm__ volatile(".globl host_direct_check, host_direct_insn, host_direct_restart, host_direct_done\n"
                     ".hidden host_direct_check, host_direct_insn, host_direct_restart, host_direct_done\n"
                     "host_direct_check:\n"
                     "    cmpl $0, %[stop]\n"
                     "    jne host_direct_restart\n"
                     "host_direct_insn:\n"
                     "    syscall\n"
                     "host_direct_done:\n"
                     ".pushsection .text.unlikely, \"ax\", @progbits\n"
                     "host_direct_restart:\n"
                     "    mov $-512, %%rax\n" /* RESULT_RESTART */
                     "    jmp host_direct_done\n"
                     ".popsection\n"
                     : "=a"(result)
                     : "a"(number), "D"(cpu->x[0]), "S"(cpu->x[1]), "d"(cpu->x[2]), "r"(r10), "r"(r8), "r"(r9),
                       [stop] "m"(cpu->stop)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

GENERAL_REGISTERS __attribute__((noinline, noclone)) bool sys_call_direct(struct cpu *cpu, _Atomic bool *reading)
{
    uint32_t index = (uint32_t)cpu->x[8];
    unsigned number = index < sizeof numbers / sizeof *numbers ? numbers[index] : 0;
    if (!number)
        return sys_clock_direct(cpu);
    if (!is_private(cpu->task))
        return false;
    uint64_t first = cpu->x[0];
    atomic_store_explicit(reading, false, memory_order_release);
    cpu->part = PART_SYSCALL;
    int64_t result = make_call(cpu, number - 1);
    cpu->part = PART_CODE;
    atomic_store(reading, true);
    if (result == RESULT_RESTART)
        return false;
    cpu->x[0] = (uint64_t)result;
    cpu->pc += 4;
    if (result == -EINTR && cpu->task->traced.on) /* meanwhile */
        tracee_interrupted(cpu, first);
    return true;
}
