/* A hash table with open addressing: insertions, look-ups, removals. */
#include "kernel.h"

enum { BITS = 17, SLOTS = 1 << BITS };

struct slot {
    uint64_t key; /* 0: free */
    uint64_t value;
};

static struct slot slots[SLOTS];

static struct slot *find(uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> (64 - BITS));
    while (slots[at].key && slots[at].key != key)
        at = (at + 1) & (SLOTS - 1);
    return &slots[at];
}

int main(int argc, char **argv)
{
    uint64_t seed = 17, sum = 0;
    for (long step = kernel_count(argc, argv, 60000000); step > 0; step--) {
        uint64_t key = kernel_random(&seed) % (SLOTS / 2) + 1;
        struct slot *slot = find(key);
        if (!slot->key)
            slot->key = key;
        slot->value += key ^ (uint64_t)step;
        sum += slot->value;
    }
    return kernel_done(sum);
}
