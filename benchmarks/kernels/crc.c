/* CRC-32 by table, and bit by bit. */
#include "kernel.h"

enum { SIZE = 1 << 20 };

static uint32_t table[256];

static uint32_t bitwise(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    return crc;
}

int main(int argc, char **argv)
{
    static uint8_t data[SIZE];
    uint64_t seed = 3, sum = 0;
    for (size_t i = 0; i < 256; i++)
        table[i] = bitwise(0, (uint8_t)i);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)kernel_random(&seed);
    for (long round = kernel_count(argc, argv, 60); round > 0; round--) {
        uint32_t crc = ~0u;
        for (size_t i = 0; i < SIZE; i++)
            crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
        for (size_t i = 0; i < SIZE / 16; i++)
            crc = bitwise(crc, data[i]);
        sum = kernel_mix(sum, crc);
        data[round % SIZE]++;
    }
    return kernel_done(sum);
}
