/* System calls from compiled code, without the way through the run loop. The functions that run meanwhile
 * leave the vector registers alone, so that the guest's may stay there: they are compiled for general
 * registers only. */
#include "cache.h"

#include <xemu/exit.h>
#include <xemu/sys.h>

/* The thread may sleep, and is no reader of the code meanwhile. Where code has made room since, the block
 * that called may be gone. */
GENERAL_REGISTERS uint64_t jit_direct_call(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    if (!sys_call_direct(cpu, &jit->reading)) /* which is true again before the epoch is read */
        return 1 + EXIT_SYSCALL;
    bool leaves =
        cpu->stop || atomic_load(&cache.epoch) != atomic_load_explicit(&jit->epoch, memory_order_relaxed);
    return leaves ? 1 + EXIT_BRANCH : 0;
}
