/* System calls that the host takes as they are: what compiled code has to know to make them itself. */
#include <xemu/sys.h>

#include <errno.h>
#include <stddef.h>

#include "abi.h"
#include "host_vdso.h"
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

GENERAL_REGISTERS static void on_interruption(struct cpu *cpu)
{
    uint64_t first = cpu->x[0];
    cpu->x[0] = -EINTR;
    cpu->pc += 4;
    if (tracee_on(&cpu->task->traced)) /* meanwhile */
        tracee_interrupted(cpu, first);
}

struct direct_call sys_direct(void)
{
    return (struct direct_call){
        .numbers = numbers,
        .count = strace_on() ? 0 : sizeof numbers / sizeof *numbers,
        .watched = {offsetof(struct task, seccomp.mode), offsetof(struct task, traced.on)},
        .other = sys_clock_direct,
        .interrupted = on_interruption,
    };
}
