/* An ARM64 program that measures instructions: reads lines `NAME WORD` and prints `NAME ns`, the CPU time of one of many
 * in a row. Their registers hold small numbers. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { COPIES = 64, PAGE = 4096, TRIES = 3, LOOPS = 1000 };

static uint32_t *code;

/* COPIES of the word, repeated x9 times. */
static void write_loop(uint32_t word)
{
    unsigned n = 0;
    for (unsigned i = 0; i < COPIES; i++)
        code[n++] = word;
    code[n++] = 0xf1000529;                                  /* subs x9, x9, #1 */
    code[n] = 0x54000001 | ((0u - n) & 0x7ffff) << 5;        /* b.ne to the first */
    code[n + 1] = 0xd65f03c0;                                /* ret */
    __builtin___clear_cache((char *)code, (char *)(code + n + 2));
}

static void run_loop(uint64_t loops)
{
    register uint64_t x9 __asm__("x9") = loops;
    register uint32_t *x10 __asm__("x10") = code;
    __asm__ volatile("movi v0.8h, 0x3c, lsl 8\n movi v1.8h, 0x3c, lsl 8\n movi v2.8h, 0x3c, lsl 8\n"
                     "movi v3.8h, 0x3c, lsl 8\n mov x0, 1\n mov x1, 3\n mov x2, 5\n mov x3, 7\n blr x10"
                     : "+r"(x9)
                     : "r"(x10)
                     : "x0", "x1", "x2", "x3", "x30", "v0", "v1", "v2", "v3", "cc", "memory");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

int main(void)
{
    char name[32];
    unsigned word;
    code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return 1;
    while (scanf("%31s %x", name, &word) == 2) {
        double best = 1e30;
        write_loop(word);
        run_loop(LOOPS / 4);
        for (int i = 0; i < TRIES; i++) {
            double start = now();
            run_loop(LOOPS);
            double ns = (now() - start) / ((double)LOOPS * COPIES);
            best = ns < best ? ns : best;
        }
        printf("%s %.2f\n", name, best);
        fflush(stdout);
    }
    return 0;
}
