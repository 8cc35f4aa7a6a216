/* The guest's address space: which ranges of this process belong to the guest. Base 0: a guest address is a
 * host address. Every mapping that is not in this set is xemu's own, is never shown to the guest and never
 * replaced by it. All functions are thread-safe and fork-safe. */
#ifndef XEMU_GUESTMEM_H
#define XEMU_GUESTMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The end of the guest's address space (exclusive): the host's 47-bit user space. */
#define GUEST_END 0x7ffffffff000ull

/* A right of the guest's beside PROT_READ, PROT_WRITE and PROT_EXEC: its PROT_BTI. Who branches indirectly into such a
 * page has to land on an instruction made for that (FEAT_BTI). */
enum { GUEST_PROT_BTI = 0x10 };

/* mmap(2) for the guest: host flag values; length and MAP_FIXED semantics of the kernel. Returns the address
 * or -errno. A fixed mapping over xemu's own memory gives -ENOMEM (-EEXIST with MAP_FIXED_NOREPLACE).
 * Invalidates decoded code in the range. */
int64_t guest_mmap(uint64_t addr, uint64_t length, int prot, int flags, int fd, int64_t offset);
int64_t guest_munmap(uint64_t addr, uint64_t length);
int64_t guest_mremap(uint64_t old, uint64_t old_length, uint64_t length, int flags, uint64_t hint);
int64_t guest_mprotect(uint64_t addr, uint64_t length, int prot);

/* brk(2) for the guest. guest_brk_init() sets the start (page-aligned upwards) once per program. */
void guest_brk_init(uint64_t start);
uint64_t guest_brk(uint64_t end);
void guest_brk_range(uint64_t *start, uint64_t *end); /* as they are now; both page-aligned upwards */

/* Limits for the calls above and guest_fits(), in bytes: on all of the guest's memory, and on its private
 * writable memory (RLIMIT_AS, RLIMIT_DATA; -ENOMEM beyond). `data` bytes of the program count with the heap.
 * What is there already stays. */
void guest_limit(uint64_t total, uint64_t private_writable, uint64_t data);
bool guest_fits(uint64_t bytes); /* that much more memory, shared */

/* mlockall(2)'s flags, for mappings to come; without MCL_FUTURE they aren't locked. */
void guest_lock_future(int flags);

/* Adds a range that the loader mapped itself (page-aligned; one that is there already is replaced and loses its
 * right to execute), forgets one that was unmapped, or asks whether a whole range is the guest's. */
void guest_range_add(uint64_t start, uint64_t end);
void guest_range_remove(uint64_t start, uint64_t end);
bool guest_range_contains(uint64_t start, uint64_t end);

/* Walks the guest's ranges in order; *start is where to look from and is set to the range's start. Returns
 * false after the last one. */
bool guest_range_next(uint64_t *start, uint64_t *end);

/* Guest pages are mapped for the host without PROT_EXEC (the host never executes guest code itself), so that
 * which pages the guest may execute is remembered here. */
bool guest_range_executable(uint64_t start, uint64_t end);
void guest_range_set_executable(uint64_t start, uint64_t end);

/* The guest's rights at an address, PROT_ and GUEST_PROT_BTI; none where nothing is mapped. */
int guest_range_prot(uint64_t addr);

/* Whether code at the address is guarded by GUEST_PROT_BTI. Costs nothing while there never was such a page. */
bool guest_range_guarded(uint64_t addr);

/* Which file, and where in it, the guest's code at an address comes from. */
struct code_place {
    uint64_t object; /* tells files apart, by device and inode */
    uint64_t offset; /* in the file, bytes */
};
/* False: it doesn't come from a file, or may not be executed. */
bool guest_code_place(uint64_t addr, struct code_place *place);

/* Counts changes of code that may have been decoded: a cache of decoded instructions that was filled under another
 * number is stale. Written by guest_code_changed() only. */
extern _Atomic uint64_t code_generation;

/* All cached translations and decoded instructions of [start, end) are stale: called by the functions above. Safe
 * against other threads that run the code. */
void guest_code_changed(uint64_t start, uint64_t end);

/* IC IVAU: the line of code that addr is in has changed, in whatever mapping the guest executes it. */
enum { CODE_LINE = 64 }; /* bytes, as CTR_EL0 says */
void guest_line_changed(uint64_t addr);

/* For fork(): take and release the module's locks around it. */
void guestmem_fork_prepare(void);
void guestmem_fork_done(void);

#endif
