/* Memory for xemu itself, away from where the kernel puts the guest's mappings: what the guest has unmapped
 * stays free for it to map again. */
#ifndef XEMU_OWN_H
#define XEMU_OWN_H

#include <stddef.h>

/* mmap(2) at an address of its choice; null: errno. For munmap(2). Any thread, also in a forked child. */
void *own_map(size_t bytes, int prot, int flags, int fd);

#endif
