/* The heap: what malloc(3) promises. The address sanitizer has a heap of its own. */
#ifndef __SANITIZE_ADDRESS__
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

Test(heap, pieces_do_not_overlap_and_keep_their_content)
{
    enum { PIECES = 400 };
    static unsigned char *at[PIECES];
    static size_t size[PIECES];
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525 + 1013904223;
        int i = random >> 8 & 255;
        for (size_t n = 0; n < size[i]; n += 97)
            cr_assert_eq(at[i][n], (unsigned char)i, "round %d", round);
        size_t bytes = random >> 16 & 1 ? random >> 20 & 255 : (size_t)(random >> 17) * 8;
        unsigned char *new = realloc(at[i], random & 0x1000 ? bytes : 0);
        if (!(random & 0x1000)) {
            free(new);
            new = malloc(bytes);
        }
        at[i] = new;
        size[i] = bytes;
        cr_assert_not_null(at[i]);
        cr_assert_eq((uintptr_t)at[i] % 16, 0);
        cr_assert_geq(malloc_usable_size(at[i]), bytes);
        memset(at[i], i, bytes);
    }
    for (int i = 0; i < PIECES; i++)
        free(at[i]);
}

Test(heap, realloc_keeps_what_was_there)
{
    char *at = NULL;
    for (size_t bytes = 1; bytes < 40 << 20; bytes = bytes * 3 + 1) {
        at = realloc(at, bytes);
        for (size_t n = 0; n < bytes / 3; n += 31)
            cr_assert_eq(at[n], 'x');
        memset(at, 'x', bytes);
    }
    at = realloc(at, 5);
    cr_assert_eq(memcmp(at, "xxxxx", 5), 0);
    free(at);
}

Test(heap, calloc_clears_used_memory)
{
    for (size_t bytes = 8; bytes < 300000; bytes *= 2) {
        char *used = malloc(bytes);
        memset(used, 1, bytes);
        free(used);
        char *clear = calloc(bytes / 8, 8);
        for (size_t n = 0; n < bytes; n++)
            cr_assert_eq(clear[n], 0);
        free(clear);
    }
}

Test(heap, alignment_is_obeyed)
{
    void *at = NULL;
    for (size_t alignment = 8; alignment <= 1 << 20; alignment *= 2) {
        cr_assert_eq(posix_memalign(&at, alignment, alignment * 2 + 3), 0);
        cr_assert_eq((uintptr_t)at % alignment, 0);
        memset(at, 7, alignment * 2 + 3);
        free(at);
    }
    volatile size_t odd = 24;
    cr_assert_eq(posix_memalign(&at, odd, 8), EINVAL);
}

Test(heap, too_much_is_refused)
{
    volatile size_t huge = SIZE_MAX - 8, half = SIZE_MAX / 2 + 1;
    errno = 0;
    cr_assert_null(malloc(huge));
    cr_assert_eq(errno, ENOMEM);
    cr_assert_null(malloc(half));
    cr_assert_null(calloc(half, 2));
    cr_assert_null(aligned_alloc(64, huge - 63));
}

static void *allocates(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        unsigned char *at = malloc((size_t)(i * 37 % 5000) + 1);
        *at = (unsigned char)i;
        if (*at != (unsigned char)i)
            return arg;
        free(at);
    }
    return NULL;
}

Test(heap, threads_share_it)
{
    pthread_t thread[8];
    void *result;
    for (size_t i = 0; i < 8; i++)
        pthread_create(&thread[i], NULL, allocates, "wrong");
    for (size_t i = 0; i < 8; i++) {
        pthread_join(thread[i], &result);
        cr_assert_null(result);
    }
}
#endif
