/* Names of the guest's functions while it runs: for --perf. */
#ifndef XEMU_SYMBOLS_H
#define XEMU_SYMBOLS_H

#include <stdint.h>

/* Looks up the function at pc, if it is not known yet, in the symbol table of the file that is mapped there. Reads the
 * guest's memory map: no lock of jit/'s may be held. */
void symbols_learn(uint64_t pc);

/* Its name, or the file's in brackets, and where in it pc is; null: not known. For as long as the process lives. */
const char *symbols_known(uint64_t pc, uint64_t *offset);

/* Around fork. */
void symbols_fork_prepare(void);
void symbols_fork_done(void);

#endif
