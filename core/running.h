/* Whether a thread or process of the host has a processor or waits for one: for the sampler's thread only, which has a
 * table of descriptors of its own from the first question on. Where the state can't be seen it is taken to run. */
#ifndef CORE_RUNNING_H
#define CORE_RUNNING_H

#include <stdbool.h>

bool thread_is_running(int tid);  /* of this process */
bool process_is_running(int pid); /* another one */

#endif
