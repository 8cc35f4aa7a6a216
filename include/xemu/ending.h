/* What xemu writes about a guest's process when it ends. */
#ifndef XEMU_ENDING_H
#define XEMU_ENDING_H

#include <stdbool.h>

/* Whether something is asked for that has to be written also when a signal ends the process. */
bool ending_writes(void);

/* The process ends now, by exit_group or by a signal's default action: keeps what was compiled and writes all
 * that is asked for. Other threads that end the process at the same time wait here for its end. Not in a
 * vfork child. */
void ending_write(void);

#endif
