/* --explain: what a function of the guest's became, and how often it ran. */
#ifndef XEMU_EXPLAIN_H
#define XEMU_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a function is to be explained in this process: the one that xemu was started as. */
bool explain_on(void);

/* Whether code at pc belongs to it. Takes the locks of guest memory, and reads a file when it sees code of it
 * first. */
bool explain_wants(uint64_t pc);

/* When the process ends: writes to where -D says. */
void explain_write(void);

#endif
