/* Like Dhrystone: records, strings and short procedures that call each other, as systems programs do. */
#include "kernel.h"

#include <string.h>

struct record {
    struct record *next;
    int kind, level, value;
    char text[32];
};

static struct record first, second;
static int global_level;
static char array_1[64];
static int array_2[64][64];

#define PROCEDURE static __attribute__((noinline))

PROCEDURE int same_letter(char a, char b)
{
    char copy = a;
    return copy == b;
}

PROCEDURE int compare_texts(const char *a, const char *b)
{
    int at = 1;
    while (at <= 1)
        at += same_letter(a[at], b[at + 1]) ? 3 : 1;
    return strcmp(a, b) > 0 && at > 1;
}

PROCEDURE void add_level(int level, int *out) { *out = level + 2 + global_level; }

PROCEDURE int choose(int kind)
{
    switch (kind) {
    case 0:
        return 1;
    case 1:
        return global_level > 100 ? 0 : 3;
    case 2:
        return 1;
    default:
        return 2;
    }
}

PROCEDURE void fill_arrays(int row, int value)
{
    for (int i = row; i <= row + 1; i++)
        array_2[row & 63][i & 63] = value;
    array_2[row & 63][(row - 1) & 63]++;
    array_2[(row + 20) & 63][row & 63] = array_2[row & 63][row & 63];
    array_1[row & 63] = (char)value;
}

PROCEDURE void copy_record(struct record *to)
{
    struct record *next = to->next;
    *next = *to;
    next->value = to->value = 5;
    next->kind = choose(next->kind);
    add_level(next->level, &next->level);
    next->next = to->next;
    if (next->kind == 1)
        to->level = next->level & 255;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    char text_1[32] = "A STRING OF THIRTY CHARACTERS", text_2[32];
    strcpy(first.text, "SOME OTHER TEXT IN A RECORD");
    first.next = &second;
    for (long i = kernel_count(argc, argv, 6000000); i > 0; i--) {
        int a = 2, b = (int)(i & 31);
        strcpy(text_2, "A STRING OF THIRTY LETTERS..");
        global_level = compare_texts(text_1, text_2) + (int)(i & 7);
        while (a < 4)
            add_level(a++, &b);
        fill_arrays((int)(i & 31), b);
        copy_record(&first);
        for (char c = 'A'; c <= 'B' + (i & 1); c++)
            if (same_letter(c, 'C'))
                first.kind = choose(first.kind);
        sum = kernel_mix(sum, (uint64_t)(b + second.level + first.kind + array_2[8][7]));
    }
    return kernel_done(sum);
}
