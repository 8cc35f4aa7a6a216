/* The sorted set of ranges. */
#include "ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ranges ranges;

size_t ranges_find(uint64_t addr)
{
    size_t low = 0, high = ranges.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges.at[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const struct range *range_at(uint64_t addr)
{
    size_t i = ranges_find(addr);
    return i < ranges.count && ranges.at[i].start <= addr ? &ranges.at[i] : NULL;
}

int ranges_reserve(void)
{
    if (ranges.count + 4 <= ranges.room)
        return 0;
    size_t more = ranges.room ? ranges.room * 2 : 64;
    struct range *bigger = realloc(ranges.at, more * sizeof *ranges.at);
    if (!bigger)
        return -ENOMEM;
    ranges.at = bigger;
    ranges.room = more;
    return 0;
}

/* Replaces `old` ranges from index i by `new_count` given ones. */
static void splice(size_t i, size_t old, const struct range *new_ranges, size_t new_count)
{
    memmove(ranges.at + i + new_count, ranges.at + i + old, (ranges.count - i - old) * sizeof *ranges.at);
    if (new_count)
        memcpy(ranges.at + i, new_ranges, new_count * sizeof *ranges.at);
    ranges.count += new_count - old;
}

struct range range_part(const struct range *range, uint64_t start, uint64_t end)
{
    struct range part = *range;
    if (part.start < start) {
        part.offset += start - part.start;
        part.start = start;
    }
    if (part.end > end)
        part.end = end;
    return part;
}

static bool continues(const struct range *last, const struct range *next)
{
    return last->end == next->start && last->prot == next->prot && last->shared == next->shared &&
           last->object == next->object &&
           (last->object == PRIVATE || last->offset + (last->end - last->start) == next->offset);
}

/* Appends a range to the pieces, if there's something of it; joins it to the last one where it continues that. */
static void join(struct range *piece, size_t *pieces, struct range next)
{
    struct range *last = piece + *pieces - 1;
    if (next.start >= next.end)
        return;
    if (*pieces && continues(last, &next))
        last->end = next.end;
    else
        piece[(*pieces)++] = next;
}

void ranges_change(struct range in, bool insert)
{
    struct range piece[3];
    size_t pieces = 0;
    size_t first = ranges_find(in.start ? in.start - 1 : 0),
           last = first; /* those that touch count: they may be joined */
    while (last < ranges.count && ranges.at[last].start <= in.end)
        last++;
    if (first < last)
        join(piece, &pieces, range_part(&ranges.at[first], 0, in.start));
    if (insert)
        join(piece, &pieces, in);
    if (first < last)
        join(piece, &pieces, range_part(&ranges.at[last - 1], in.end, UINT64_MAX));
    splice(first, last - first, piece, pieces);
}

uint64_t ranges_reach(uint64_t start)
{
    for (size_t i = ranges_find(start); i < ranges.count && ranges.at[i].start <= start; i++)
        start = ranges.at[i].end;
    return start;
}

bool ranges_next_piece(uint64_t *start, uint64_t *end, uint64_t limit)
{
    size_t i = ranges_find(*start);
    if (*start >= limit || i == ranges.count || ranges.at[i].start >= limit)
        return false;
    if (*start < ranges.at[i].start)
        *start = ranges.at[i].start;
    *end = ranges.at[i].end < limit ? ranges.at[i].end : limit;
    return true;
}

bool ranges_next_gap(uint64_t *start, uint64_t *end, uint64_t limit)
{
    *start = ranges_reach(*start);
    if (*start >= limit)
        return false;
    size_t i = ranges_find(*start);
    *end = i < ranges.count && ranges.at[i].start < limit ? ranges.at[i].start : limit;
    return true;
}
