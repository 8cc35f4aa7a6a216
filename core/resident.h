/* Resident memory of this process in bytes: all, and what is not the guest's, which a native process would not have. */
#ifndef CORE_RESIDENT_H
#define CORE_RESIDENT_H

#include <stdint.h>

void count_resident(uint64_t *all, uint64_t *above);

#endif
