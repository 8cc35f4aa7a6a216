/* System calls that compiled code makes itself, without the way through the run loop: what the code has to know. */
#ifndef XEMU_DIRECT_H
#define XEMU_DIRECT_H

#include <xemu/cpu.h>

#include <stdbool.h>
#include <stdint.h>

/* Offsets are bytes, in what *cpu points to. */
struct direct_call {
    /* Of the guest's kernel: sys_direct(). */
    const uint16_t *numbers; /* the host's of each of the guest's, plus one; 0: the call is sys_call()'s */
    unsigned count;
    uint16_t watched[2];     /* in *task, of 32 bits: all calls are sys_call()'s while one of them isn't 0 */
    bool (*other)(struct cpu *cpu);       /* what has no number; false: it has done nothing */
    void (*interrupted)(struct cpu *cpu); /* the result is -EINTR: sets it, and the pc behind the SVC */

    /* Of the cache: the thread is no reader of the code while it may sleep, and must not go on in its block when the
     * epoch has changed. */
    uint16_t reading, seen_epoch; /* in *jit */
    const _Atomic uint64_t *epoch;
};

/* Addresses of code that makes calls. From `check`, which looks at cpu->stop, to the instruction itself nothing has
 * happened yet; `restart` leaves that to be done after a signal; `done` has the result in RAX. */
struct call_place {
    const char *check, *insn, *restart, *done;
};

#endif
