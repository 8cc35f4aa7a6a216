/* The index of a file of the store. */
#include "../../jit/store.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 3000, ROOM = 4 << 20 };

static _Alignas(64) uint8_t data[ROOM];
static struct store_placed placed[MOST];

/* A file with a block at each of the places, in that order. Returns its size. */
static uint64_t make_file(const uint32_t *places, unsigned count)
{
    uint64_t end = sizeof(struct store_header);
    memset(data, 0, sizeof data);
    for (unsigned i = 0; i < count; i++) {
        struct stored_block *block = (struct stored_block *)(data + end);
        *block = (struct stored_block){.place = places[i], .pc = i};
        block->size = (uint32_t)stored_size(block);
        placed[i] = (struct store_placed){places[i], (uint32_t)(end / 8)};
        end += block->size;
    }
    uint64_t size = store_index(data, end, placed, count);
    cr_assert_leq(size, end + store_index_room(count));
    struct store_header *header = (struct store_header *)data;
    header->magic = STORE_MAGIC;
    header->size = size;
    return size;
}

Test(store_index, finds_the_blocks_and_nothing_else)
{
    static uint32_t places[MOST];
    static bool there[1 << 16];
    unsigned count = 0;
    srand(1);
    while (count < MOST) { /* dense here, thin there, as functions are */
        uint32_t place = (uint32_t)rand() % (count % 3 ? 5000 : 1 << 16);
        if (!there[place])
            places[count++] = place;
        there[place] = true;
    }
    uint64_t size = make_file(places, count);
    cr_assert(store_is_sound(data, size));
    for (uint32_t place = 0; place < 1 << 16; place++) {
        const struct stored_block *block = store_look_up(data, place);
        cr_assert_eq(block != NULL, there[place], "place %u", place);
        cr_assert(!block || block->place == place);
    }
    cr_assert_null(store_look_up(data, UINT32_MAX));
}

Test(store_index, the_last_block_for_a_place_counts)
{
    uint64_t size = make_file((const uint32_t[]){7, 64, 7, 6}, 4);
    cr_assert(store_is_sound(data, size));
    cr_assert_eq(((struct store_header *)data)->blocks, 3);
    cr_assert_eq(store_look_up(data, 7)->pc, 2);
    cr_assert_eq(store_look_up(data, 6)->pc, 3);
}

Test(store_index, an_empty_file_has_no_block)
{
    uint64_t size = make_file(NULL, 0);
    cr_assert(store_is_sound(data, size));
    cr_assert_null(store_look_up(data, 0));
}

Test(store_index, a_file_whose_index_leads_astray_gives_no_block)
{
    struct store_header *header = (struct store_header *)data;
    uint64_t size = make_file((const uint32_t[]){7}, 1);
    cr_assert_not(store_is_sound(data, size - 4));
    header->blocks = 1 << 30;
    cr_assert_not(store_is_sound(data, size));
    header->blocks = 1;
    struct store_entry *entries = (struct store_entry *)(data + header->index);
    for (unsigned i = 0; i < 1u << header->index_bits; i++)
        entries[i].first += entries[i].starts ? 5 : 0; /* behind the positions */
    cr_assert_null(store_look_up(data, 7));
    for (unsigned i = 0; i < 1u << header->index_bits; i++)
        entries[i].first = 0;
    *(uint32_t *)(entries + (1ull << header->index_bits)) = UINT32_MAX; /* behind the file */
    cr_assert_null(store_look_up(data, 7));
    header->index = size + 64;
    cr_assert_not(store_is_sound(data, size));
}
