/* The short way of a system call that the host takes as it is, for compiled code. */
#include <xemu/log.h>
#include <xemu/report.h>
#include <xemu/sys.h>

#include <errno.h>

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
    return !((log_mask & LOG_STRACE) | options.strace) && !task->seccomp.mode && !tracee_on(&task->traced);
}

GENERAL_REGISTERS bool sys_call_direct(struct cpu *cpu)
{
    uint32_t index = (uint32_t)cpu->x[8];
    unsigned number = index < sizeof numbers / sizeof *numbers ? numbers[index] : 0;
    if (!number || !is_private(cpu->task))
        return false;
    uint64_t first = cpu->x[0];
    cpu->part = PART_SYSCALL;
    int64_t result = host_call_stub(&cpu->stop, number - 1, cpu->x);
    cpu->part = PART_CODE;
    if (result == RESULT_RESTART)
        return false;
    cpu->x[0] = (uint64_t)result;
    cpu->pc += 4;
    if (result == -EINTR && tracee_on(&cpu->task->traced)) /* meanwhile */
        tracee_interrupted(cpu, first);
    return true;
}
