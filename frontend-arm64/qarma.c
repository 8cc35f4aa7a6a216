/* QARMA-64, the block cipher of the architected pointer authentication ([ComputePACQARMA]): a state of 16 cells of four
 * bits, cell 0 on top, in 4 rows and 4 columns. */
#include <xemu/pauth.h>

enum { CELLS = 16 };

static const uint64_t alpha = 0xc0ac29b7c97c50dd;
static const uint64_t round_constants[] = {0, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                                           0x452821e638d01377};
static const uint8_t cell_shuffle[CELLS] = {0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2};
static const uint8_t tweak_shuffle[CELLS] = {6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11};
static const uint16_t rotated_tweak_cells = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 11 | 1 << 13;

/* [PACSub], and [PACSub1] of QARMA3, which is its own inverse. */
static const uint8_t sub[CELLS] = {11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10};
static const uint8_t inverse_sub[CELLS] = {5, 14, 13, 8, 10, 11, 1, 9, 2, 6, 15, 0, 4, 12, 7, 3};
static const uint8_t sub1[CELLS] = {10, 13, 14, 6, 15, 7, 3, 5, 9, 8, 0, 12, 11, 1, 2, 4};

static unsigned cell(uint64_t state, unsigned i) { return state >> (60 - 4 * i) & 15; }
static uint64_t in_cell(unsigned value, unsigned i) { return (uint64_t)(value & 15) << (60 - 4 * i); }

static uint64_t shuffle(uint64_t state, const uint8_t from[CELLS])
{
    uint64_t r = 0;
    for (unsigned i = 0; i < CELLS; i++)
        r |= in_cell(cell(state, from[i]), i);
    return r;
}

static uint64_t shuffle_back(uint64_t state, const uint8_t from[CELLS])
{
    uint64_t r = 0;
    for (unsigned i = 0; i < CELLS; i++)
        r |= in_cell(cell(state, i), from[i]);
    return r;
}

static uint64_t substitute(uint64_t state, const uint8_t table[CELLS])
{
    uint64_t r = 0;
    for (unsigned i = 0; i < CELLS; i++)
        r |= in_cell(table[cell(state, i)], i);
    return r;
}

/* Each cell rotated left by one, each by two. */
static uint64_t cells_rotated(uint64_t state, unsigned by)
{
    const uint64_t ones = 0x1111111111111111, low = ones * (15 >> by);
    return (state & low) << by | (state >> (4 - by) & ones * ((1u << by) - 1));
}

/* [PACMult]: a column's cell becomes the sum of the three others, rotated by one, two and one; a row is 16 bits. */
static uint64_t multiply(uint64_t state)
{
    uint64_t next = state << 16 | state >> 48, after = state << 32 | state >> 32, before = state << 48 | state >> 16;
    return cells_rotated(next ^ before, 1) ^ cells_rotated(after, 2);
}

static unsigned rotate_tweak(unsigned c) { return c >> 1 | ((c ^ c >> 1) & 1) << 3; }
static unsigned rotate_tweak_back(unsigned c) { return (c << 1 & 15) | ((c >> 3 ^ c) & 1); }

static uint64_t change_tweak_cells(uint64_t tweak, unsigned (*change)(unsigned))
{
    for (unsigned i = 0; i < CELLS; i++)
        if (rotated_tweak_cells >> i & 1)
            tweak = (tweak & ~in_cell(15, i)) | in_cell(change(cell(tweak, i)), i);
    return tweak;
}

static uint64_t next_tweak(uint64_t tweak) { return change_tweak_cells(shuffle(tweak, tweak_shuffle), rotate_tweak); }

static uint64_t last_tweak(uint64_t tweak)
{
    return shuffle_back(change_tweak_cells(tweak, rotate_tweak_back), tweak_shuffle);
}

static uint64_t diffuse(uint64_t state) { return multiply(shuffle(state, cell_shuffle)); }
static uint64_t diffuse_back(uint64_t state) { return shuffle_back(multiply(state), cell_shuffle); }

uint64_t pauth_qarma(enum pauth_algorithm algorithm, uint64_t data, uint64_t modifier, uint64_t key0, uint64_t key1)
{
    bool three = algorithm == PAUTH_QARMA3;
    const uint8_t *forth = three ? sub1 : sub, *back = three ? sub1 : inverse_sub;
    unsigned rounds = three ? 3 : 5;
    uint64_t other_key = key0 << 63 | key0 >> 2 << 1 | ((key0 >> 63 ^ key0 >> 1) & 1);
    uint64_t tweak = modifier, state = data ^ key0;

    for (unsigned i = 0; i < rounds; i++) {
        state ^= key1 ^ tweak ^ round_constants[i];
        state = substitute(i ? diffuse(state) : state, forth);
        tweak = next_tweak(tweak);
    }
    state = diffuse(substitute(diffuse(state ^ other_key ^ tweak), forth)) ^ key1;
    state = diffuse_back(substitute(shuffle_back(state, cell_shuffle), back)) ^ key0 ^ tweak;
    for (unsigned i = rounds; i-- > 0;) {
        state = substitute(state, back);
        if (i)
            state = diffuse_back(state);
        tweak = last_tweak(tweak);
        state ^= round_constants[i] ^ key1 ^ tweak ^ alpha;
    }
    return state ^ other_key;
}
