/* The index of a file of the store: which places of the guest's file have a block, a chunk of 64 instructions in one entry,
 * neighbours in the same cache line. Most look-ups find nothing, and those that come together ask for neighbours. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 2, LEAST_BITS = 4, MOST_BITS = 27 }; /* logarithms: entries of a cache line, of the table */

static uint32_t chunk_of(uint32_t place) { return place / 64; }
static uint64_t bit_of(uint32_t place) { return 1ull << (place % 64); }

/* Where the search for a chunk begins. */
static uint32_t slot_of(uint32_t chunk, unsigned bits)
{
    uint32_t line = (chunk >> LINE) * 0x9e3779b1u >> (32 - bits + LINE);
    return line << LINE | (chunk & ((1u << LINE) - 1));
}

static const struct store_entry *entries_of(const struct store_header *header)
{
    return (const struct store_entry *)((const uint8_t *)header + header->index);
}

/* The blocks' positions in the file, in units of 8 bytes, in the order of their places. */
static const uint32_t *positions_of(const struct store_header *header)
{
    return (const uint32_t *)(entries_of(header) + (1ull << header->index_bits));
}

/* The chunk's entry, or the free one that it would have. There is always a free one. */
static const struct store_entry *find_entry(const struct store_header *header, uint32_t chunk)
{
    const struct store_entry *entries = entries_of(header);
    uint32_t mask = (1u << header->index_bits) - 1, i = slot_of(chunk, header->index_bits), tries = 0;
    while (entries[i].starts && entries[i].chunk != chunk && tries++ < mask)
        i = (i + 1) & mask;
    return &entries[i];
}

bool store_is_sound(const uint8_t *data, uint64_t size)
{
    const struct store_header *header = (const struct store_header *)data;
    if (size < sizeof *header || header->magic != STORE_MAGIC || header->size != size ||
        header->index_bits < LEAST_BITS || header->index_bits > MOST_BITS || header->index % 64 || header->index > size)
        return false;
    return (sizeof(struct store_entry) << header->index_bits) + header->blocks * 4ull <= size - header->index;
}

const struct stored_block *store_look_up(const uint8_t *data, uint32_t place)
{
    const struct store_header *header = (const struct store_header *)data;
    const struct store_entry *entry = find_entry(header, chunk_of(place));
    if (entry->chunk != chunk_of(place) || !(entry->starts & bit_of(place)))
        return NULL;
    uint64_t number = entry->first + (unsigned)__builtin_popcountll(entry->starts & (bit_of(place) - 1));
    if (number >= header->blocks)
        return NULL;
    uint64_t at = positions_of(header)[number] * 8ull;
    const struct stored_block *block = (const struct stored_block *)(data + at);
    bool whole = at + sizeof *block <= header->index && block->size <= header->index - at && block->size == stored_size(block);
    return whole && block->place == place ? block : NULL;
}

/* --- making one --------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct store_placed *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Of blocks for the same place the last one in the file stays. Returns how many stay. */
static unsigned sort(struct store_placed *placed, unsigned count)
{
    unsigned kept = 0;
    qsort(placed, count, sizeof *placed, compare);
    for (unsigned i = 0; i < count; i++)
        if (i + 1 == count || placed[i + 1].place != placed[i].place)
            placed[kept++] = placed[i];
    return kept;
}

/* The table is at most four times as large as there are chunks, or as small as it may be. */
uint64_t store_index_room(unsigned blocks)
{
    return 64 + (sizeof(struct store_entry) << LEAST_BITS) + blocks * (4ull + 4 * sizeof(struct store_entry));
}

uint64_t store_index(uint8_t *data, uint64_t end, struct store_placed *placed, unsigned count)
{
    struct store_header *header = (struct store_header *)data;
    unsigned chunks = 0;
    count = sort(placed, count);
    for (unsigned i = 0; i < count; i++)
        chunks += !i || chunk_of(placed[i].place) != chunk_of(placed[i - 1].place);
    header->blocks = count;
    header->index = (end + 63) & ~63ull;
    for (header->index_bits = LEAST_BITS; 1u << header->index_bits < 2 * chunks;)
        header->index_bits++;
    uint32_t *positions = (uint32_t *)positions_of(header);
    for (unsigned i = 0; i < count; i++) {
        struct store_entry *entry = (struct store_entry *)find_entry(header, chunk_of(placed[i].place));
        if (!entry->starts)
            *entry = (struct store_entry){.chunk = chunk_of(placed[i].place), .first = i};
        entry->starts |= bit_of(placed[i].place);
        positions[i] = placed[i].at;
    }
    return header->index + (sizeof(struct store_entry) << header->index_bits) + count * 4ull;
}
