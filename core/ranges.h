/* A sorted set of address ranges, and what is mapped there: core/guestmem.c's book of the guest's memory. Who uses it
 * holds that file's lock. */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Neighbours that are of one piece are one range: at[i].end < at[i + 1].start, or they differ in more. */
struct range {
    uint64_t start, end;
    int prot;        /* the guest's rights, PROT_ and GUEST_PROT_BTI; the host reads what the guest executes */
    bool shared;     /* with other processes */
    uint64_t object; /* what is mapped, where other mappings can show it, too; else PRIVATE */
    uint64_t offset; /* of start in the object */
};

#define PRIVATE 0
#define UNKNOWN UINT64_MAX /* all such ranges may be the same memory */

extern struct ranges {
    struct range *at;
    size_t count, room;
} ranges;

/* The first range that ends after addr, or the count. */
size_t ranges_find(uint64_t addr);

/* The range that addr is in, or null. */
const struct range *range_at(uint64_t addr);

/* The part of a range that is in [start, end). */
struct range range_part(const struct range *range, uint64_t start, uint64_t end);

/* Makes sure that the next change can't run out of memory halfway: none adds more than four ranges. 0 or -ENOMEM. */
int ranges_reserve(void);

/* Takes [in.start, in.end) out; puts it in as `in` says when `insert`. */
void ranges_change(struct range in, bool insert);

/* How far the ranges reach from start without a gap; start itself if it is in none. */
uint64_t ranges_reach(uint64_t start);

/* Iterators: for (s = start; ranges_next_x(&s, &e, end); s = e) visits the pieces [s, e) of [start, end) that are in
 * the set, or that aren't. */
bool ranges_next_piece(uint64_t *start, uint64_t *end, uint64_t limit);
bool ranges_next_gap(uint64_t *start, uint64_t *end, uint64_t limit);

#endif
