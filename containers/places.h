/* Places in a system to mount something at. Those that the system lacks are made, and removed in the end. */
#ifndef CONTAINERS_PLACES_H
#define CONTAINERS_PLACES_H

#include <stdbool.h>
#include <stdint.h>

/* Opens a path of the system as if it were the root directory already: no link leads out of it. `flags` as
 * for open, close-on-exec is added. -errno if that failed. */
int place_open(int root, const char *path, uint64_t flags);

/* Begins to keep a list of what is made in the system, and shares its directory with others that do so. To be
 * called before the process that mounts is forked. Dies with one clear line. */
void places_begin(const char *root);

/* The name of a file or directory to mount something at, made if it is missing; good until the next call. A
 * link is followed, also one that leads nowhere yet. Null, and errno: that failed. */
const char *place_for(int root, const char *path, bool directory);

/* Removes what was made and is as empty as it was, unless somebody else still runs something in the system.
 * To be called by the process that called places_begin() when nothing is mounted any more. */
void places_end(void);

#endif
