/* Virtual calls: objects of several kinds behind tables of functions. */
#include "kernel.h"

struct shape;
struct methods {
    uint64_t (*area)(const struct shape *);
    void (*grow)(struct shape *, uint32_t);
};
struct shape {
    const struct methods *methods;
    uint32_t a, b;
};

static uint64_t square_area(const struct shape *s) { return (uint64_t)s->a * s->a; }
static uint64_t rectangle_area(const struct shape *s) { return (uint64_t)s->a * s->b; }
static uint64_t triangle_area(const struct shape *s) { return (uint64_t)s->a * s->b / 2; }
static uint64_t circle_area(const struct shape *s) { return (uint64_t)s->a * s->a * 355 / 113; }
static void grow_a(struct shape *s, uint32_t n) { s->a = (s->a + n) & 0xffff; }
static void grow_b(struct shape *s, uint32_t n) { s->b = (s->b ^ n) & 0xffff; }

static const struct methods kinds[] = {
    {square_area, grow_a}, {rectangle_area, grow_b}, {triangle_area, grow_a}, {circle_area, grow_b}};

enum { SHAPES = 1000 };

int main(int argc, char **argv)
{
    static struct shape shapes[SHAPES];
    uint64_t seed = 47, sum = 0;
    for (int i = 0; i < SHAPES; i++)
        shapes[i] = (struct shape){&kinds[kernel_random(&seed) % 4], (uint32_t)i, (uint32_t)i * 3};
    for (long round = kernel_count(argc, argv, 40000); round > 0; round--) {
        for (int i = 0; i < SHAPES; i++) {
            sum += shapes[i].methods->area(&shapes[i]);
            shapes[i].methods->grow(&shapes[i], (uint32_t)round);
        }
    }
    return kernel_done(sum);
}
