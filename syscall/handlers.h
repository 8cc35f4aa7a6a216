/* The handlers of syscalls.def: int64_t sys_<name>(struct cpu *, const uint64_t args[6]). */
#ifndef SYSCALL_HANDLERS_H
#define SYSCALL_HANDLERS_H

#include <stdint.h>

struct cpu;

#define PASS(nr, name, letters)
#define PATH(nr, name, letters)
#define NONE(nr, name, letters, note)
#define MAP(nr, name, letters, note) int64_t sys_##name(struct cpu *cpu, const uint64_t args[6]);
#define EMU(nr, name, letters, note) int64_t sys_##name(struct cpu *cpu, const uint64_t args[6]);
#include "syscalls.def"
#undef PASS
#undef PATH
#undef NONE
#undef MAP
#undef EMU

#endif
