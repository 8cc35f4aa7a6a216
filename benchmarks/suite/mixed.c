/* Like nbench: bit fields, emulated floating point, an assignment of tasks, Huffman codes, a small neural network, an
 * LU decomposition. */
#include "kernel.h"

#include <math.h>
#include <string.h>

static uint64_t bits(uint64_t sum, uint64_t *random)
{
    static uint64_t map[512];
    for (int i = 0; i < 400; i++) {
        unsigned from = (unsigned)(kernel_random(random) % 30000), count = (unsigned)(kernel_random(random) % 200);
        for (unsigned at = from; at < from + count; at++)
            map[at >> 6] ^= (uint64_t)1 << (at & 63);
    }
    for (int i = 0; i < 512; i++)
        sum = kernel_mix(sum, map[i]);
    return sum;
}

/* A number is mantissa * 2^exponent, the mantissa between 2^31 and 2^32. */
struct number {
    uint32_t mantissa;
    int exponent;
};

static struct number multiply(struct number a, struct number b)
{
    uint64_t product = (uint64_t)a.mantissa * b.mantissa;
    int shift = product >> 63 ? 32 : 31;
    return (struct number){(uint32_t)(product >> shift), a.exponent + b.exponent + shift};
}

static uint64_t emulated(uint64_t sum, uint64_t *random)
{
    struct number x = {0x80000001u | (uint32_t)kernel_random(random), -31};
    for (int i = 0; i < 4000; i++) {
        x = multiply(x, (struct number){0xfffffff1u, -32});
        if (x.exponent < -60)
            x.exponent += 20;
    }
    return kernel_mix(sum, x.mantissa + (uint64_t)(uint32_t)x.exponent);
}

enum { TASKS = 20 };
static uint64_t assignment(uint64_t sum, uint64_t *random) /* by exchanging pairs as long as that helps */
{
    int cost[TASKS][TASKS], who[TASKS], better = 1;
    for (int i = 0; i < TASKS; i++) {
        who[i] = i;
        for (int j = 0; j < TASKS; j++)
            cost[i][j] = (int)(kernel_random(random) % 1000);
    }
    while (better) {
        better = 0;
        for (int i = 0; i < TASKS; i++)
            for (int j = i + 1; j < TASKS; j++)
                if (cost[i][who[j]] + cost[j][who[i]] < cost[i][who[i]] + cost[j][who[j]]) {
                    int kept = who[i];
                    who[i] = who[j];
                    who[j] = kept;
                    better = 1;
                }
    }
    for (int i = 0; i < TASKS; i++)
        sum = kernel_mix(sum, (uint64_t)cost[i][who[i]]);
    return sum;
}

static uint64_t huffman(uint64_t sum, uint64_t *random)
{
    uint32_t weight[128] = {0};
    int parent[128], nodes = 64;
    for (int i = 0; i < 4000; i++)
        weight[(kernel_random(random) & kernel_random(random)) & 63]++;
    for (int i = 0; i < 64; i++)
        weight[i]++;
    memset(parent, -1, sizeof parent);
    while (nodes < 127) {
        int low[2] = {-1, -1};
        for (int i = 0; i < nodes; i++) {
            if (parent[i] >= 0)
                continue;
            if (low[0] < 0 || weight[i] < weight[low[0]]) {
                low[1] = low[0];
                low[0] = i;
            } else if (low[1] < 0 || weight[i] < weight[low[1]]) {
                low[1] = i;
            }
        }
        weight[nodes] = weight[low[0]] + weight[low[1]];
        parent[low[0]] = parent[low[1]] = nodes++;
    }
    for (int i = 0; i < 64; i++) {
        uint64_t length = 0;
        for (int at = i; parent[at] >= 0; at = parent[at])
            length++;
        sum = kernel_mix(sum, length);
    }
    return sum;
}

enum { INPUTS = 16, HIDDEN = 8 };
static double network(double sum, uint64_t *random)
{
    double in[INPUTS], hidden[HIDDEN], w1[HIDDEN][INPUTS], w2[HIDDEN];
    for (int i = 0; i < INPUTS; i++)
        in[i] = (double)(kernel_random(random) & 1);
    for (int h = 0; h < HIDDEN; h++) {
        w2[h] = 0.1 * (h - 4);
        for (int i = 0; i < INPUTS; i++)
            w1[h][i] = 0.01 * ((i * 7 + h * 3) % 20 - 10);
    }
    for (int step = 0; step < 40; step++) {
        double out = 0, error;
        for (int h = 0; h < HIDDEN; h++) {
            double net = 0;
            for (int i = 0; i < INPUTS; i++)
                net += w1[h][i] * in[i];
            hidden[h] = net / (1 + fabs(net)); /* no library's exp() */
            out += hidden[h] * w2[h];
        }
        error = 0.7 - out;
        for (int h = 0; h < HIDDEN; h++) {
            double slope = 1 - fabs(hidden[h]);
            for (int i = 0; i < INPUTS; i++)
                w1[h][i] += 0.3 * error * w2[h] * slope * slope * in[i];
            w2[h] += 0.3 * error * hidden[h];
        }
        sum += error;
    }
    return sum;
}

enum { SIDE = 24 };
static double decompose(double sum, uint64_t *random)
{
    double m[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            m[i][j] = (double)(kernel_random(random) & 15) + (i == j ? 300 : 0);
    for (int k = 0; k < SIDE; k++)
        for (int i = k + 1; i < SIDE; i++) {
            m[i][k] /= m[k][k];
            for (int j = k + 1; j < SIDE; j++)
                m[i][j] -= m[i][k] * m[k][j];
        }
    for (int k = 0; k < SIDE; k++)
        sum += m[k][k] / 300;
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t random = 7, sum = 0;
    double numbers = 0;
    for (long round = kernel_count(argc, argv, 2000); round > 0; round--) {
        sum = huffman(assignment(emulated(bits(sum, &random), &random), &random), &random);
        numbers = decompose(network(numbers, &random), &random);
    }
    return kernel_done(sum + (uint64_t)(numbers * 64));
}
