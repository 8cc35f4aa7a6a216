/* Pointer chasing through a shuffled list that fits no small cache. */
#include "kernel.h"

enum { NODES = 1 << 16 };

struct node {
    struct node *next;
    uint64_t value;
};

int main(int argc, char **argv)
{
    static struct node nodes[NODES];
    static uint32_t order[NODES];
    uint64_t seed = 5, sum = 0;
    for (uint32_t i = 0; i < NODES; i++)
        order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(kernel_random(&seed) % (i + 1)), swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (uint32_t i = 0; i < NODES; i++)
        nodes[order[i]] = (struct node){&nodes[order[(i + 1) % NODES]], kernel_random(&seed)};
    const struct node *at = nodes;
    for (long step = kernel_count(argc, argv, 20000000); step > 0; step--) {
        sum += at->value;
        at = at->next;
    }
    return kernel_done(sum);
}
